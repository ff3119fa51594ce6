/**
 * Owns what Postgres records about replays: which events, who asked and why, and a copy of how far each one is. It changes
 * through functions that write the audit trail. The position of a replay is in Kafka (relay/replay/replay-progress.ts).
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';

export type ReplayState = 'running' | 'stopped' | 'done';

export type ReplayCounts = {
  readonly published: number;
  readonly refused: number;
  /** Events that were removed from the table before the replay came to them. */
  readonly gone: number;
};

export type StoredReplay = ReplayCounts & {
  readonly id: string;
  readonly slot: string;
  /** As `relay/replay/range.ts` writes it. */
  readonly range: unknown;
  readonly facts: unknown;
  /** Where all events go; null: each to its own topic. */
  readonly topic: string | null;
  readonly isFirst: boolean;
  readonly total: number;
  readonly state: ReplayState;
  readonly message: string | null;
  readonly startedAt: string;
  readonly updatedAt: string;
  readonly finishedAt: string | null;
};

export type ReplayAction = {
  readonly action: 'replay' | 'replay-resume' | 'replay-stop' | 'replay-finish';
  readonly person: string;
  readonly reason: string | null;
  /** Which Postgres vouches for. */
  readonly role: string;
  readonly at: string;
};

export type ReplayRefusal = {
  readonly id: string;
  readonly type: string | null;
  readonly topic: string | null;
  readonly code: string;
  readonly message: string;
};

type Client = pg.Pool | pg.ClientBase;
type By = { readonly person: string; readonly reason: string | null };

export type NewReplay = Pick<StoredReplay, 'id' | 'slot' | 'range' | 'facts' | 'topic' | 'isFirst' | 'total'>;

/**
 * @returns false if another replay of events from before the first start began since this one was planned
 * @throws RelayError POSTGRES_*
 */
export async function beginReplay(client: Client, replay: NewReplay, by: By): Promise<boolean> {
  const { id, slot, range, facts, topic, isFirst, total } = replay;
  const json = [JSON.stringify(range), JSON.stringify(facts)];
  const values = [id, slot, ...json, topic, isFirst, total, by.person, by.reason];
  const [row] = await query(client, begin, values);
  return row!.begun;
}

const begin = statement<{ begun: boolean }>(
  'ledger.begin_replay',
  'recording the replay',
  'select outbox.begin_replay($1, $2, $3::jsonb, $4::jsonb, $5, $6, $7::bigint, $8, $9) as begun',
);

export async function resumeReplay(client: Client, id: string, by: By): Promise<void> {
  await query(client, resume, [id, by.person, by.reason]);
}

const resume = statement(
  'ledger.resume_replay',
  'recording the replay',
  'select outbox.resume_replay($1, $2, $3)',
);

export async function noteReplay(
  client: Client,
  id: string,
  state: ReplayState,
  { published, refused, gone }: ReplayCounts,
  message: string | null,
  person: string,
): Promise<void> {
  await query(client, note, [id, state, published, refused, gone, message, person]);
}

const note = statement(
  'ledger.note_replay',
  'storing how far the replay is',
  'select outbox.note_replay($1, $2, $3::bigint, $4::bigint, $5::bigint, $6, $7)',
);

/** Can be repeated. Call it before the commit that passes over these events. */
export async function noteRefusals(
  client: Client,
  id: string,
  refusals: readonly ReplayRefusal[],
): Promise<void> {
  if (refusals.length === 0) return;
  const column = (name: keyof ReplayRefusal) => refusals.map((refusal) => refusal[name]);
  const columns = (['id', 'type', 'topic', 'code', 'message'] as const).map(column);
  await query(client, noteRefused, [id, ...columns]);
}

const noteRefused = statement(
  'ledger.note_replay_refusals',
  'recording refused events',
  'select outbox.note_replay_refusals($1, $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])',
);

/** Latest first. @throws RelayError POSTGRES_* */
export async function readReplays(client: Client, slot: string, id?: string): Promise<StoredReplay[]> {
  const rows = await query(client, read, [slot, id ?? null]);
  return rows.map((row) => ({
    ...row,
    total: Number(row.total),
    published: Number(row.published),
    refused: Number(row.refused),
    gone: Number(row.gone),
  }));
}

const iso = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

type Counts = 'total' | 'published' | 'refused' | 'gone';

const read = statement<Omit<StoredReplay, Counts> & Record<Counts, string>>(
  'ledger.read_replays',
  'reading the replays',
  `select id, slot, range, facts, topic, is_first as "isFirst", total, state, published, refused, gone, message,
          ${iso('started_at')} as "startedAt", ${iso('updated_at')} as "updatedAt", ${iso('finished_at')} as "finishedAt"
     from outbox.replay where slot = $1 and ($2::text is null or id = $2) order by started_at desc, id`,
);

export async function readActions(client: Client, slot: string, id: string): Promise<ReplayAction[]> {
  return query(client, readTrail, [slot, id]);
}

const readTrail = statement<ReplayAction>(
  'ledger.read_replay_actions',
  'reading the audit trail of the replay',
  `select action, person, note as reason, session_role as role, ${iso('acted_at')} as at
     from outbox.action where slot = $1 and target = $2 and action like 'replay%' order by id`,
);

/** @param most how many */
export async function readRefusals(client: Client, id: string, most: number): Promise<ReplayRefusal[]> {
  return query(client, readRefused, [id, most]);
}

const readRefused = statement<ReplayRefusal>(
  'ledger.read_replay_refusals',
  'reading refused events',
  `select event_id as id, type, topic, code, message from outbox.replay_refusal
    where replay_id = $1 order by refused_at, event_id limit $2`,
);
