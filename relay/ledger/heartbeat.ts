/**
 * Owns the heartbeat: a row that comes back on the stream. It does not decide what is published. It shows when the database
 * or the publication is no longer the one that the progress belongs to.
 */
import type pg from 'pg';
import { assertSameStart, serverStart } from '../connect/postgres/same-server.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { idleTimeoutMs, transaction, withPooled } from '../connect/postgres/transaction.ts';
import { type Lsn, parseLsn } from '../model/position.ts';

/** A written heartbeat. Once the stream has passed `lsn`, it must have brought `beat`. */
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
 * Writes the next heartbeat: one more than the table holds, or than `floor` if that is greater. The numbers have no gaps,
 * so a number that is missing on the stream shows that the publication was away for a while. A relay that does not know
 * yet that another one took over must not write the same number. The lock prevents that; it is taken in a statement of its
 * own, so that the next statement sees what its last holder wrote. It is on the row that every session writes first. An
 * advisory lock would not do: any role that may connect could take it and keep the slot from advancing.
 * @param streamStart when the server that streams started
 * @throws RelayError POSTGRES_MOVED if this is another server, before it commits; POSTGRES_*
 */
export async function writeHeartbeat(
  pool: pg.Pool,
  slot: string,
  floor: number,
  streamStart?: string,
): Promise<Heartbeat> {
  const writtenMs = performance.now();
  return withPooled(pool, doing, async (client) => {
    const { beat, snapshot, takenMs } = await transaction(
      client,
      doing,
      () => write(client, slot, floor, streamStart),
      idleTimeoutMs,
    );
    // After the commit, and on the same connection: the stream must bring the heartbeat before it passes this position.
    const [after] = await query(client, readInsertLsn);
    return { beat: Number(beat), lsn: parseLsn(after?.lsn ?? '0/0'), writtenMs, snapshot, takenMs };
  });
}

async function write(
  client: pg.PoolClient,
  slot: string,
  floor: number,
  streamStart: string | undefined,
): Promise<Written> {
  const held = await query(client, lockProgress, [slot]);
  // Somebody removed the row. The next copy of the progress writes it again.
  if (held.length === 0) await query(client, lockHeartbeats);
  const [written] = await query(client, writeNext, [slot, floor]);
  // Before the commit: on another server it would wait for a stream that never brings it.
  assertSameStart(written?.started, streamStart);
  return written!;
}

const doing = 'writing the heartbeat';

type Written = {
  readonly beat: string;
  readonly snapshot: string;
  readonly takenMs: number;
  readonly started: string;
};

const lockProgress = statement(
  'ledger.lock_progress_for_heartbeat',
  doing,
  'select session from outbox.progress where slot = $1 for no key update',
);

const lockHeartbeats = statement(
  'ledger.lock_heartbeats',
  doing,
  'lock table outbox.heartbeat in share row exclusive mode',
);

const writeNext = statement<Written>(
  'ledger.write_heartbeat',
  doing,
  `with last as (delete from outbox.heartbeat where slot = $1 returning beat)
    insert into outbox.heartbeat (slot, beat) select $1, greatest(coalesce(max(beat), 0), $2::bigint) + 1 from last
    returning beat, pg_current_snapshot()::text as snapshot,
              (extract(epoch from clock_timestamp()) * 1000)::float8 as "takenMs",
              ${serverStart} as started`,
);

const readInsertLsn = statement<{ lsn: string }>(
  'ledger.read_insert_lsn',
  doing,
  'select pg_current_wal_insert_lsn() as lsn',
);
