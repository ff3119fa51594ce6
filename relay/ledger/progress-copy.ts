/**
 * Owns the row of a slot in `outbox.progress`: the mark that a relay has streamed from the slot, and the copy of the
 * progress for people. Neither decides what is published. The mark shows when the progress in Kafka was lost.
 */
import type pg from 'pg';
import { type Client, query, statement } from '../connect/postgres/statement.ts';
import { formatLsn, type Lsn, parseLsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';

/** What lineage compares with the progress. Read them once the slot is held and the predecessor is fenced. */
export type DatabaseMarks = {
  readonly walLsn: Lsn;
  readonly initialised: boolean;
  readonly beat: number;
  /** Identity of the publication that the slot has streamed through; null before it did. */
  readonly publication: string | null;
  /** Number of the last session that has begun on the slot; 0 for none. */
  readonly session: number;
  /** Whether the server is a standby. The relay cannot stream from it until it is promoted. */
  readonly isInRecovery: boolean;
};

type MarksRow = {
  wal: string | null;
  initialised: boolean;
  beat: string;
  publication: string | null;
  session: string | null;
  recovery: boolean;
};

export async function readMarks(pool: Client, slot: string): Promise<DatabaseMarks> {
  const [row] = await query(pool, marks, [slot]);
  return {
    walLsn: row?.wal == null ? 0n : parseLsn(row.wal),
    initialised: row?.initialised === true,
    beat: Number(row?.beat ?? 0),
    publication: row?.publication ?? null,
    session: Number(row?.session ?? 0),
    isInRecovery: row?.recovery === true,
  };
}

const marks = statement<MarksRow>(
  'ledger.read_marks',
  'reading the marks of the slot',
  `select pg_is_in_recovery() as recovery,
    case when not pg_is_in_recovery() then pg_current_wal_lsn() end as wal,
    exists (select from outbox.progress where slot = $1) as initialised,
    (select coalesce(max(beat), 0) from outbox.heartbeat where slot = $1) as beat,
    (select publication from outbox.progress where slot = $1) as publication,
    (select session from outbox.progress where slot = $1) as session`,
);

/** When a relay first began on the slot, ms since 1970; -Infinity if none did. */
export async function readFirstStart(client: pg.Pool | pg.ClientBase, slot: string): Promise<number> {
  const [row] = await query(client, firstStart, [slot]);
  return row?.ms ?? Number.NEGATIVE_INFINITY;
}

const firstStart = statement<{ ms: number }>(
  'ledger.read_first_start',
  'reading outbox.progress',
  `select (extract(epoch from initialised_at) * 1000)::float8 as ms from outbox.progress where slot = $1`,
);

/**
 * Writes the mark, if it is missing, and the copy of the progress.
 * @param publication identity of the publication; null keeps the one that is stored
 */
export async function storeProgress(
  client: pg.Pool | pg.ClientBase,
  progress: Progress,
  publication: string | null = null,
): Promise<void> {
  await query(client, storeCopy, [
    progress.slot,
    progress.systemIdentifier,
    progress.timeline,
    formatLsn(progress.endLsn),
    progress.partial === null ? null : formatLsn(progress.partial.commitLsn),
    progress.partial?.ordinal ?? null,
    progress.eventCount,
    progress.instance,
    progress.time,
    publication,
  ]);
}

const storeCopy = statement(
  'ledger.store_progress_copy',
  'storing the copy of the progress',
  `insert into outbox.progress (slot, initialised_at, system_identifier, timeline, end_lsn, partial_commit_lsn,
                                 partial_ordinal, event_count, instance, published_at, publication)
    values ($1, now(), $2, $3, $4, $5, $6, $7, $8, $9, $10)
    on conflict (slot) do update set
      system_identifier = excluded.system_identifier, timeline = excluded.timeline, end_lsn = excluded.end_lsn,
      partial_commit_lsn = excluded.partial_commit_lsn, partial_ordinal = excluded.partial_ordinal,
      event_count = excluded.event_count, instance = excluded.instance, published_at = excluded.published_at,
      publication = coalesce(excluded.publication, progress.publication)`,
);
