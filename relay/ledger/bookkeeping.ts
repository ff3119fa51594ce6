/**
 * What the relay writes to Postgres beside dead letters: the mark that a slot was initialised, the copy of the progress
 * for people, and the heartbeat. None of it decides what is published; the mark and the heartbeat help to notice when
 * the database or the publication is no longer what the progress speaks of.
 */
import type pg from 'pg';
import { postgresError } from '../connect/postgres/errors.ts';
import { query } from '../connect/postgres/statement.ts';
import { formatLsn, type Lsn, parseLsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';

/** What lineage compares with the progress; taken when the slot is held and the predecessor fenced. */
export type DatabaseMarks = {
  readonly walLsn: Lsn;
  readonly initialised: boolean;
  readonly beat: number;
  /** Identity of the publication that the slot has streamed through; null before it did. */
  readonly publication: string | null;
  /** Number of the last session that has begun on the slot; 0 where none did. */
  readonly session: number;
  /** A standby server cannot be streamed from until it is promoted. */
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

export async function readMarks(pool: pg.Pool, slot: string): Promise<DatabaseMarks> {
  const [row] = await query<MarksRow>(
    pool,
    'reading the marks of the slot',
    `select pg_is_in_recovery() as recovery,
            case when not pg_is_in_recovery() then pg_current_wal_lsn() end as wal,
            exists (select from outbox.progress where slot = $1) as initialised,
            (select coalesce(max(beat), 0) from outbox.heartbeat where slot = $1) as beat,
            (select publication from outbox.progress where slot = $1) as publication,
            (select session from outbox.progress where slot = $1) as session`,
    [slot],
  );
  return {
    walLsn: row?.wal == null ? 0n : parseLsn(row.wal),
    initialised: row?.initialised === true,
    beat: Number(row?.beat ?? 0),
    publication: row?.publication ?? null,
    session: Number(row?.session ?? 0),
    isInRecovery: row?.recovery === true,
  };
}

/** When a relay first began on the slot, ms since 1970; -Infinity where none did. */
export async function readFirstStart(client: pg.Pool | pg.ClientBase, slot: string): Promise<number> {
  const [row] = await query<{ ms: number }>(
    client,
    'reading outbox.progress',
    `select (extract(epoch from initialised_at) * 1000)::float8 as ms from outbox.progress where slot = $1`,
    [slot],
  );
  return row?.ms ?? Number.NEGATIVE_INFINITY;
}

/**
 * Writes the mark, if it is not there, and the copy of the progress.
 * @param publication identity of the publication, where it is to be remembered.
 */
export async function storeProgress(
  client: pg.Pool | pg.ClientBase,
  progress: Progress,
  publication: string | null = null,
): Promise<void> {
  await query(
    client,
    'storing the copy of the progress',
    `insert into outbox.progress (slot, initialised_at, system_identifier, timeline, end_lsn, partial_commit_lsn,
                                  partial_ordinal, event_count, instance, published_at, publication)
     values ($1, now(), $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (slot) do update set
       system_identifier = excluded.system_identifier, timeline = excluded.timeline, end_lsn = excluded.end_lsn,
       partial_commit_lsn = excluded.partial_commit_lsn, partial_ordinal = excluded.partial_ordinal,
       event_count = excluded.event_count, instance = excluded.instance, published_at = excluded.published_at,
       publication = coalesce(excluded.publication, progress.publication)`,
    [
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
    ],
  );
}

/** How long the server lets a transaction of the relay's bookkeeping wait for its next statement. */
export const idleTimeoutMs = 5_000;

/** A heartbeat that was written: once the stream has passed `lsn`, it must have brought `beat`. */
export type Heartbeat = {
  readonly beat: number;
  readonly lsn: Lsn;
  readonly writtenMs: number;
  /** Taken in its transaction: what is visible in it was committed before the heartbeat. */
  readonly snapshot: string;
  /** Clock of the database when the snapshot was taken, ms since 1970. */
  readonly takenMs: number;
};

/**
 * Writes the next heartbeat: the one after the greater of what the table holds and `floor`. The numbers have no gaps, so
 * one that is missing in the stream shows that the publication was away for a while. The lock, taken in a statement of
 * its own for the next one to see what its last holder wrote, keeps a relay that does not know yet that it was succeeded
 * from writing the same number. It is on the row that every session begins by writing, and not an advisory lock, which
 * any role that may connect could take, and keep the slot from moving.
 */
export async function writeHeartbeat(pool: pg.Pool, slot: string, floor: number): Promise<Heartbeat> {
  const writtenMs = performance.now();
  const doing = 'writing the heartbeat';
  const client = await connect(pool, doing);
  let failure: Error | undefined;
  try {
    // A relay that is stopped half-way must not keep its successor from beginning.
    await query(client, doing, `begin; set local idle_in_transaction_session_timeout = ${idleTimeoutMs}`);
    const held = await query(
      client,
      doing,
      'select session from outbox.progress where slot = $1 for no key update',
      [slot],
    );
    // Somebody removed the row, which is written again at the next copy of the progress.
    if (held.length === 0)
      await query(client, doing, 'lock table outbox.heartbeat in share row exclusive mode');
    const [written] = await query<{ beat: string; snapshot: string; takenMs: number }>(
      client,
      doing,
      `with last as (delete from outbox.heartbeat where slot = $1 returning beat)
       insert into outbox.heartbeat (slot, beat) select $1, greatest(coalesce(max(beat), 0), $2::bigint) + 1 from last
       returning beat, pg_current_snapshot()::text as snapshot,
                 (extract(epoch from clock_timestamp()) * 1000)::float8 as "takenMs"`,
      [slot, floor],
    );
    await query(client, doing, 'commit');
    const [after] = await query<{ lsn: string }>(client, doing, 'select pg_current_wal_insert_lsn() as lsn');
    const { beat, snapshot, takenMs } = written!;
    return { beat: Number(beat), lsn: parseLsn(after?.lsn ?? '0/0'), writtenMs, snapshot, takenMs };
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    // A connection that failed half-way is closed, which rolls back.
    client.release(failure);
  }
}

async function connect(pool: pg.Pool, doing: string): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw postgresError(error, doing);
  }
}
