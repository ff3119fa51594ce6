/**
 * The heartbeat: a row that comes back on the stream. It decides nothing about what is published; it helps to notice when
 * the database or the publication is no longer what the progress speaks of.
 */
import type pg from 'pg';
import { postgresError } from '../connect/postgres/errors.ts';
import { query } from '../connect/postgres/statement.ts';
import { type Lsn, parseLsn } from '../model/position.ts';
import { idleTimeoutMs } from './bookkeeping.ts';

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
