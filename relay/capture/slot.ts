/** What the relay asks Postgres about its slot, and how it makes one. */
import pg from 'pg';
import type { Config } from '../config.ts';
import { RelayError } from '../errors.ts';
import { type Lsn, parseLsn } from '../position.ts';
import { createClient, postgresError, query } from '../postgres.ts';

export type SlotState = {
  readonly isActive: boolean;
  readonly activePid: number | null;
  /** First byte Postgres would send. */
  readonly confirmedLsn: Lsn;
  /** Bytes of WAL that the slot keeps from being removed. */
  readonly retainedBytes: number;
  /** reserved, extended, unreserved or lost. */
  readonly walStatus: string | null;
};

type SlotRow = {
  plugin: string | null;
  slot_type: string;
  is_ours: boolean;
  active: boolean;
  active_pid: number | null;
  confirmed_flush_lsn: string | null;
  retained_bytes: string | null;
  wal_status: string | null;
  invalidation_reason: string | null;
};

/**
 * The slot, or undefined where there is none.
 * @throws RelayError SLOT_WRONG_KIND, SLOT_INVALIDATED
 */
export async function readSlot(pool: pg.Pool | pg.ClientBase, slot: string): Promise<SlotState | undefined> {
  // invalidation_reason came with 17; to_jsonb reads it where it is, on every version.
  const [row] = await query<SlotRow>(
    pool,
    'reading the replication slot',
    `select plugin, slot_type, database = current_database() as is_ours, active, active_pid, confirmed_flush_lsn,
            pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) as retained_bytes, wal_status,
            to_jsonb(s) ->> 'invalidation_reason' as invalidation_reason
       from pg_replication_slots s where slot_name = $1`,
    [slot],
  );
  if (row === undefined) return undefined;
  if (row.slot_type !== 'logical' || row.plugin !== 'pgoutput' || !row.is_ours)
    throw new RelayError(
      'SLOT_WRONG_KIND',
      `slot ${slot} is a ${row.slot_type} slot of ${row.plugin ?? 'no plugin'}`,
    );
  if (row.wal_status === 'lost' || row.invalidation_reason !== null || row.confirmed_flush_lsn === null)
    throw new RelayError('SLOT_INVALIDATED', `slot ${slot} is lost`, {
      context: { walStatus: row.wal_status, reason: row.invalidation_reason },
    });
  return {
    isActive: row.active,
    activePid: row.active_pid,
    confirmedLsn: parseLsn(row.confirmed_flush_lsn),
    retainedBytes: Number(row.retained_bytes ?? 0),
    walStatus: row.wal_status,
  };
}

/**
 * Makes the slot. A relay that does so at the same time is no error: the slot is there, which was the aim.
 * On 17 and newer it is a failover slot, so that a standby server can keep a copy of it. Postgres waits for every
 * transaction that is running now, so this has no time limit.
 */
export async function createSlot(config: Config): Promise<void> {
  const client = createClient(config, 'outbox-relay', 0);
  try {
    await client.connect();
    const version = await client.query<{ version: number }>(
      `select current_setting('server_version_num')::int as version`,
    );
    const failover = (version.rows[0]?.version ?? 0) >= 170_000 ? ', false, false, true' : '';
    await client.query(`select pg_create_logical_replication_slot($1, 'pgoutput'${failover})`, [config.slot]);
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === '42710') return; // duplicate_object
    throw createFailure(error);
  } finally {
    await client.end().catch(() => {});
  }
}

function createFailure(error: unknown): RelayError {
  const failure = postgresError(error, 'creating the replication slot');
  // object_not_in_prerequisite_state: wal_level; configuration_limit_exceeded: all slots are taken.
  const isUnsuitable = failure.context.sqlState === '55000' || failure.context.sqlState === '53400';
  return isUnsuitable ? new RelayError('POSTGRES_UNSUITABLE', failure.message, { cause: error }) : failure;
}
