/** Reads, creates and drops the replication slot. */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Config } from '../config/config.ts';
import { createClient } from '../connect/postgres/client.ts';
import { postgresError, sqlStateOf, sqlStates } from '../connect/postgres/errors.ts';
import { command, createReplicationClient } from '../connect/postgres/replication-client.ts';
import { query, statement, withoutName } from '../connect/postgres/statement.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { formatLsn, type Lsn, parseLsn } from '../model/position.ts';
import { type CreationWatch, watchCreation } from './watch-slot-creation.ts';

export type SlotState = {
  readonly isActive: boolean;
  readonly activePid: number | null;
  /** First byte that Postgres would send; 0 while the slot is being created. */
  readonly confirmedLsn: Lsn;
  /** Bytes of WAL that Postgres keeps for the slot. */
  readonly retainedBytes: number;
  /** reserved, extended, unreserved or lost. */
  readonly walStatus: string | null;
  /** Bytes of WAL until the slot is at risk; null if max_slot_wal_keep_size sets no limit. */
  readonly safeWalBytes: number | null;
  /** End of the WAL that is written. */
  readonly writtenLsn: Lsn;
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
  safe_wal_size: string | null;
  written_lsn: string;
  invalidation_reason: string | null;
  is_conflicting: boolean;
};

/**
 * The slot, or undefined if there is none.
 * @throws RelayError SLOT_WRONG_KIND, SLOT_INVALIDATED
 */
export async function readSlot(pool: pg.Pool | pg.ClientBase, slot: string): Promise<SlotState | undefined> {
  // invalidation_reason came with 17, conflicting with 16, where it is true for any reason. to_jsonb copes with both.
  const [row] = await query(pool, readState, [slot]);
  if (row === undefined) return undefined;
  if (row.slot_type !== 'logical' || row.plugin !== 'pgoutput' || !row.is_ours)
    throw new RelayError(
      'SLOT_WRONG_KIND',
      `slot ${slot} is a ${row.slot_type} slot of ${row.plugin ?? 'no plugin'}`,
    );
  // While it is being created, which lasts as long as the transactions that ran before, it has a reader and no position.
  const isBeingMade = row.active && row.confirmed_flush_lsn === null;
  const hasPosition = isBeingMade || row.confirmed_flush_lsn !== null;
  const isInvalidated = row.wal_status === 'lost' || row.invalidation_reason !== null || row.is_conflicting;
  if (isInvalidated || !hasPosition)
    throw new RelayError('SLOT_INVALIDATED', `slot ${slot} is lost: ${reasonOf(row)}`, {
      context: { walStatus: row.wal_status, reason: row.invalidation_reason },
    });
  return {
    isActive: row.active,
    activePid: row.active_pid,
    confirmedLsn: parseLsn(row.confirmed_flush_lsn ?? '0/0'),
    retainedBytes: Number(row.retained_bytes ?? 0),
    walStatus: row.wal_status,
    safeWalBytes: row.safe_wal_size === null ? null : Number(row.safe_wal_size),
    writtenLsn: parseLsn(row.written_lsn),
  };
}

const readState = statement<SlotRow>(
  'capture.read_slot',
  'reading the replication slot',
  `select plugin, slot_type, database = current_database() as is_ours, active, active_pid, confirmed_flush_lsn,
         pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) as retained_bytes, wal_status, safe_wal_size,
         pg_current_wal_lsn() as written_lsn,
         to_jsonb(s) ->> 'invalidation_reason' as invalidation_reason,
         coalesce(to_jsonb(s) ->> 'conflicting', '') = 'true' as is_conflicting
    from pg_replication_slots s where slot_name = $1`,
);

function reasonOf({ wal_status, invalidation_reason }: SlotRow): string {
  return `wal_status ${wal_status ?? 'unknown'}, reason ${invalidation_reason ?? 'not known to this version'}`;
}

/**
 * Creates the slot. If another relay does so at the same time, that is no error: the slot exists, which was the aim.
 * On Postgres 17 and newer it is a failover slot unless `capture.failoverSlot` is off, so that a standby server can keep a
 * copy of it; without a standby server that changes nothing. Postgres waits for every transaction that runs now, so this
 * has no time limit.
 * @param watch reports what it waits for, and notices when no answer can come any more
 * @returns where it starts; undefined if somebody else created it
 */
export async function createSlot(config: Config, watch?: CreationWatch): Promise<Lsn | undefined> {
  const client = createClient(config, 'outbox-relay', 0);
  try {
    await client.connect();
    const failover = (await canFailOver(client, config)) ? ', false, false, true' : '';
    const call = `select lsn from pg_create_logical_replication_slot($1, 'pgoutput'${failover})`;
    const create = statement<{ lsn: string }>('capture.create_slot', creating, call, ownMeanings);
    const creation = () => query(client, create, [config.slot.name]);
    const [made] = await (watch === undefined ? creation() : watched(client, watch, creation));
    return parseLsn(made!.lsn);
  } catch (error) {
    if (sqlStateOf(error) === sqlStates.duplicateObject) return undefined;
    throw createFailure(error);
  } finally {
    await client.end().catch(() => {});
  }
}

const creating = 'creating the replication slot';

const ownMeanings = {
  '55000': 'POSTGRES_UNSUITABLE', // object_not_in_prerequisite_state: wal_level
  '53400': 'POSTGRES_UNSUITABLE', // configuration_limit_exceeded: no slot is free
} as const;

async function watched<Result>(
  client: pg.Client,
  watch: CreationWatch,
  work: () => Promise<Result>,
): Promise<Result> {
  const [own] = await query(client, readPid);
  const done = new AbortController();
  const creation = work();
  creation.catch(() => {}); // if the watch has ended it, the failure of the watch counts
  const watching = watchCreation(watch, own!.pid, done.signal);
  watching.catch(() => !done.signal.aborted && disconnect(client));
  try {
    await Promise.race([creation, watching]);
    return await creation;
  } finally {
    done.abort();
  }
}

const readPid = statement<{ pid: number }>('capture.read_pid', creating, 'select pg_backend_pid() as pid');

/** Without the goodbye of the driver, which would wait for an answer. */
function disconnect(client: pg.Client): void {
  (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
}

/** Whether to create a failover slot: by the setting, and if the version has them. */
async function canFailOver(client: pg.Client, { capture }: Config): Promise<boolean> {
  if (!capture.failoverSlot) return false;
  const [server] = await query(client, withoutName(readVersion));
  return Number(server?.server_version_num) >= 170_000;
}

const readVersion = statement<{ server_version_num: string }>(
  'capture.read_version',
  creating,
  'show server_version_num',
);

/** A walsender notices within a second that its client is gone. */
const dropWaitMs = 10_000;
const dropPollMs = 50;

/**
 * Drops the slot if it exists. The name stands in the text, since a replication connection takes no parameters.
 * @throws RelayError SLOT_IN_USE while somebody streams from it; POSTGRES_*
 */
export async function dropSlot(client: pg.Pool | pg.ClientBase, slot: string): Promise<void> {
  await query(client, withoutName(dropIf('capture.drop_slot', slot, 'true')));
}

function dropIf(statementName: string, slot: string, condition: string) {
  return statement(
    statementName,
    'dropping the replication slot',
    `select pg_drop_replication_slot(slot_name) from pg_replication_slots s
      where slot_name = ${pg.escapeLiteral(slot)} and ${condition}`,
    { '42704': 'SLOT_IN_USE' }, // undefined_object: another process was quicker, and may be making it now
  );
}

/** As `readSlot` judges it. */
const isLost = `(wal_status = 'lost' or to_jsonb(s) ->> 'invalidation_reason' is not null
  or coalesce(to_jsonb(s) ->> 'conflicting', '') = 'true' or (confirmed_flush_lsn is null and not active))`;

/**
 * Drops a slot that this process made, if nobody has used it. Its stream was just closed, and its walsender ends a moment
 * after the connection.
 * @param madeLsn where the slot started; it does not move before somebody acknowledges
 * @param isStillOurs asked before each attempt: another process may take the slot while this one waits
 */
export async function dropMadeSlot(
  pool: pg.Pool,
  slot: string,
  madeLsn: Lsn,
  isStillOurs: () => Promise<boolean>,
): Promise<void> {
  const unmoved = `confirmed_flush_lsn = '${formatLsn(madeLsn)}'`;
  for (const untilMs = performance.now() + dropWaitMs; ; await delay(dropPollMs)) {
    if (!(await isStillOurs())) return;
    try {
      await query(pool, dropIf('capture.drop_made_slot', slot, unmoved));
      return;
    } catch (error) {
      if (asRelayError(error).code !== 'SLOT_IN_USE' || performance.now() > untilMs) throw error;
    }
  }
}

/**
 * Drops a slot, if it exists, whose reader has just ended or died: Postgres notices that a moment later.
 * @throws RelayError SLOT_IN_USE if somebody goes on reading it; POSTGRES_*
 */
export async function dropLeftSlot(pool: pg.Pool, slot: string): Promise<void> {
  for (const untilMs = performance.now() + dropWaitMs; ; await delay(dropPollMs)) {
    try {
      await dropSlot(pool, slot);
      return;
    } catch (error) {
      if (asRelayError(error).code !== 'SLOT_IN_USE' || performance.now() > untilMs) throw error;
    }
  }
}

/**
 * Copies a slot, which may be in use: the copy starts at the same position, with the same plugin.
 * @throws RelayError POSTGRES_UNSUITABLE if all slots are taken; POSTGRES_*
 */
export async function copySlot(pool: pg.Pool, slot: string, copy: string): Promise<void> {
  await query(pool, copyOf, [slot, copy]);
}

const copyOf = statement(
  'capture.copy_slot',
  'copying the replication slot',
  'select pg_copy_logical_replication_slot($1, $2, false)',
  ownMeanings,
);

/** A new slot, and the snapshot of the database at exactly the position where it starts. */
export type SlotWithSnapshot = AsyncDisposable & {
  /** The snapshot has exactly the transactions with a smaller commit LSN; the slot streams the others. */
  readonly consistentLsn: Lsn;
  /** For SET TRANSACTION SNAPSHOT; valid until this is disposed of. */
  readonly snapshot: string;
};

/**
 * Creates the slot in the place of one that is lost, as `createSlot` would create it, by the command of the replication
 * protocol, since only that exports the snapshot. A slot that can be used stays: another process has made it since this
 * one looked, and may have published up to it.
 * @throws RelayError SLOT_IN_USE if there is a slot that can be used; POSTGRES_*
 */
export function renewSlotWithSnapshot(config: Config): Promise<SlotWithSnapshot> {
  return makeSlotWithSnapshot(config, async (client) => {
    const { name: slot } = config.slot;
    await query(client, withoutName(dropIf('capture.drop_lost_slot', slot, isLost)));
    // The options in parentheses came with 15, FAILOVER with 17; 14 has only the old form.
    const options = (await canFailOver(client, config))
      ? `(SNAPSHOT 'export', FAILOVER true)`
      : 'EXPORT_SNAPSHOT';
    return `CREATE_REPLICATION_SLOT ${slot} LOGICAL pgoutput ${options}`;
  });
}

/**
 * A position and its snapshot, beside a slot that stays as it is. The slot created for it is gone with the connection, so a
 * process that dies leaves none behind.
 * @throws RelayError POSTGRES_UNSUITABLE if all slots are taken; POSTGRES_*
 */
export function temporarySlotWithSnapshot(config: Config): Promise<SlotWithSnapshot> {
  const name = `outbox_relay_${randomBytes(8).toString('hex')}`;
  return makeSlotWithSnapshot(
    config,
    async () => `CREATE_REPLICATION_SLOT ${name} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`,
  );
}

async function makeSlotWithSnapshot(
  config: Config,
  prepare: (client: pg.Client) => Promise<string>,
): Promise<SlotWithSnapshot> {
  const client = createReplicationClient(config);
  try {
    await client.connect();
    const create = await prepare(client);
    const [made] = await command<{ consistent_point: string; snapshot_name: string }>(client, create);
    return {
      consistentLsn: parseLsn(made!.consistent_point),
      snapshot: made!.snapshot_name,
      [Symbol.asyncDispose]: () => client.end().catch(() => {}),
    };
  } catch (error) {
    await client.end().catch(() => {});
    if (sqlStateOf(error) === sqlStates.duplicateObject)
      throw new RelayError('SLOT_IN_USE', `another process has made slot ${config.slot.name}`, {
        cause: error,
      });
    throw createFailure(error);
  }
}

function createFailure(error: unknown): RelayError {
  return postgresError(error, creating, { own: ownMeanings });
}
