/** Which keys wait, behind what, and who released them. Changes nothing. */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { formatLsn, type Position } from '../../model/position.ts';
import { withPool } from '../with-pool.ts';
import type { Letter } from './letter.ts';
import { type LetterRow, letterColumns, toLetter } from './read.ts';
import { type ParkedKeyView, type ParkedRow, toView } from './release-keys.ts';
import { fixedAt, waitsForResume } from './selection.ts';
import { assertLettersShown } from './transaction.ts';
import { waits } from './waits.ts';

/** The last request to release a key. */
export type LastRelease = {
  readonly person: string;
  readonly note: string | null;
  /** ISO 8601, UTC. */
  readonly requestedAt: string;
  /** null while the relay has not met the request. */
  readonly outcome: 'released' | 'refused' | 'limited' | 'set-aside' | null;
  readonly published: number | null;
  readonly processedAt: string | null;
};

export type ParkedKey = ParkedKeyView & {
  /** Because its topic is set aside; `resume` releases it then. Otherwise behind a refused event. */
  readonly isPaused: boolean;
  readonly firstMessage: string | null;
  /** When the payload of the first one was changed since it was refused; null if it was not. ISO 8601, UTC. */
  readonly firstFixedAt: string | null;
  /** Of the open ones: whose payload was changed so. null where more are open than are looked at. */
  readonly fixed: number | null;
  /** null where nobody asked since it is parked. */
  readonly release: LastRelease | null;
};

export type ParkedKeyPage = {
  /** Parked keys of the selection, on whatever page. */
  readonly total: number;
  readonly keys: readonly ParkedKey[];
  /** The position after which the next page begins; null on the last one. */
  readonly next: string | null;
};

export type ParkedKeySelection = {
  readonly topic?: string;
  readonly key?: string;
  /** Parked at a later position than that. */
  readonly after?: Position;
};

type Row = ParkedRow & {
  is_paused: boolean;
  first_message: string | null;
  first_fixed_at: Date | null;
  fixed: string;
  person: string | null;
  note: string | null;
  requested_at: Date | null;
  outcome: LastRelease['outcome'];
  published: string | null;
  processed_at: Date | null;
};

/** Open dead letters of one key that are looked at: a page has many keys, and a key has few. */
const fixesMax = 100;

/** Longest parked first. @throws RelayError POSTGRES_* */
export function pageOfParkedKeys(
  config: Config,
  selection: ParkedKeySelection,
  limit: number,
): Promise<ParkedKeyPage> {
  return withPool(config, async (pool) => {
    const [total, found] = await Promise.all([
      count(pool, config.slot.name, selection),
      read(pool, config.slot.name, selection, limit + 1),
    ]);
    await assertLettersShown(pool, config);
    const keys = found.slice(0, limit);
    return { total, keys, next: found.length > limit ? keys.at(-1)!.since : null };
  });
}

const condition = `p.slot = $1 and p.released_lsn is null
  and ($2::text is null or p.topic = $2) and ($3::text is null or p.key = $3)`;

async function count(pool: pg.Pool, slot: string, { topic, key }: ParkedKeySelection): Promise<number> {
  const [row] = await query(
    pool,
    statement<{ count: string }>(
      'operations.count_parked_keys',
      'counting the parked keys',
      `select count(*) from outbox.parked_key as p where ${condition}`,
    ),
    [slot, topic ?? null, key ?? null],
  );
  return Number(row!.count);
}

async function read(
  pool: pg.Pool,
  slot: string,
  { topic, key, after }: ParkedKeySelection,
  limit: number,
): Promise<ParkedKey[]> {
  const rows = await query(
    pool,
    statement<Row>(
      'operations.page_of_parked_keys',
      'reading the parked keys',
      // The keys of the page are chosen first, so that what waits is counted for these alone.
      `select p.topic, p.key, p.commit_lsn::text, p.ordinal, p.parked_at, ${waitsForResume('p')} as is_paused, waiting.*,
              first.commit_lsn::text as first_commit_lsn, first.ordinal as first_ordinal, first.code as first_code,
              first.path as first_path, first.message as first_message, first.fixed_at as first_fixed_at, fixes.fixed,
              last.person, last.note, last.requested_at, last.outcome, last.published, last.processed_at,
              last.requested_at is not null and last.outcome is null as is_being_released
         from (select * from outbox.parked_key as p where ${condition}
                  and ($4::pg_lsn is null or (p.commit_lsn, p.ordinal) > ($4, $5::bigint))
                order by p.commit_lsn, p.ordinal limit ${limit}) as p
         cross join lateral (select count(*) filter (where status = 'open') as open,
                                    count(*) filter (where status = 'parked') as parked
                               from outbox.dead_letter as letter where ${waits}) as waiting
         left join lateral (select commit_lsn, ordinal, code, path, message, ${fixedAt} as fixed_at from outbox.dead_letter as letter
                             where ${waits} and status = 'open' order by commit_lsn, ordinal limit 1) as first on true
         cross join lateral (select count(fixed_at) as fixed from (
                               select ${fixedAt} as fixed_at from outbox.dead_letter as letter where ${waits} and status = 'open'
                                order by commit_lsn, ordinal limit ${fixesMax}) as looked_at) as fixes
         left join lateral (select * from outbox.key_release as asked where asked.slot = p.slot
                               and asked.topic = p.topic and asked.key = p.key and asked.requested_at >= p.parked_at
                             order by id desc limit 1) as last on true
        order by p.commit_lsn, p.ordinal`,
    ),
    [
      slot,
      topic ?? null,
      key ?? null,
      after === undefined ? null : formatLsn(after.commitLsn),
      after?.ordinal,
    ],
  );
  return rows.map((row) => ({
    ...toView(row),
    isPaused: row.is_paused,
    firstMessage: row.first_message,
    firstFixedAt: row.first_fixed_at?.toISOString() ?? null,
    fixed: Number(row.open) > fixesMax ? null : Number(row.fixed),
    release: releaseOf(row),
  }));
}

function releaseOf(row: Row): LastRelease | null {
  if (row.person === null || row.requested_at === null) return null;
  return {
    person: row.person,
    note: row.note,
    requestedAt: row.requested_at.toISOString(),
    outcome: row.outcome,
    published: row.published === null ? null : Number(row.published),
    processedAt: row.processed_at?.toISOString() ?? null,
  };
}

export type WaitingEvents = {
  /** Events that wait, on whatever page. */
  readonly total: number;
  /** In the order in which a release publishes them. */
  readonly events: readonly Letter[];
  readonly next: string | null;
};

/** What waits for one key: its open dead letters, and the events behind them. @throws RelayError POSTGRES_* */
export function eventsOfParkedKey(
  config: Config,
  { topic, key }: { readonly topic: string; readonly key: string },
  after: Position | undefined,
  limit: number,
): Promise<WaitingEvents> {
  return withPool(config, async (pool) => {
    const from = `from outbox.parked_key as p join outbox.dead_letter as letter on ${waits}
      where p.slot = $1 and p.topic = $2 and p.key = $3 and p.released_lsn is null`;
    const values = [config.slot.name, topic, key];
    const [counted] = await query(
      pool,
      statement<{ count: string }>(
        'operations.count_waiting_events',
        'counting what waits for a key',
        `select count(*) ${from}`,
      ),
      values,
    );
    const rows = await query(
      pool,
      statement<LetterRow>(
        'operations.read_waiting_events',
        'reading what waits for a key',
        `select ${letterColumns} from (select letter.* ${from}
            and ($4::pg_lsn is null or (letter.commit_lsn, letter.ordinal) > ($4, $5::bigint))
            order by letter.commit_lsn, letter.ordinal limit ${limit + 1}) as letter
          order by letter.commit_lsn, letter.ordinal`,
      ),
      [...values, after === undefined ? null : formatLsn(after.commitLsn), after?.ordinal],
    );
    await assertLettersShown(pool, config);
    const events = rows.slice(0, limit).map(toLetter);
    return {
      total: Number(counted!.count),
      events,
      next: rows.length > limit ? events.at(-1)!.position : null,
    };
  });
}
