/** What the relay needs of the Postgres server and of its slot there. One question a function. */

import { identifySystem } from '../../capture/server-identity.ts';
import { readSlot } from '../../capture/slot.ts';
import { postgresError } from '../../connect/postgres/errors.ts';
import { createReplicationClient } from '../../connect/postgres/replication-client.ts';
import { hints, RelayError } from '../../errors.ts';
import { readFirstStart } from '../../ledger/progress-copy.ts';
import { readStandbyNames, standbyHint } from '../../ledger/standbys.ts';
import { describeBytes, describeSlotHealth } from '../slot-health.ts';
import { postgresEncryption } from './encryption.ts';
import { fail, fixOf, ok, warn } from './finding.ts';
import { outboxChecks } from './outbox.ts';
import { one, type PostgresCheck, type PostgresContext } from './postgres-context.ts';
import { commitOrder, walLimit } from './wal.ts';

const server: PostgresCheck = {
  name: 'server',
  async run(context) {
    const { number, version, database, role } = await one<{
      number: number;
      version: string;
      database: string;
      role: string;
    }>(
      context,
      'operations.check_server',
      `select current_setting('server_version_num')::int as number, current_setting('server_version') as version,
              current_database() as database, current_user as role`,
    );
    const found = `PostgreSQL ${version}, database ${database}, role ${role}`;
    return number >= 140_000 ? ok(found) : fail(found, 'Upgrade: the relay needs PostgreSQL 14 or newer.');
  },
};

const primary: PostgresCheck = {
  name: 'primary',
  async run(context) {
    const { standby } = await one<{ standby: boolean }>(
      context,
      'operations.check_primary',
      'select pg_is_in_recovery() as standby',
    );
    if (!standby) return ok('the server is a primary');
    return fail('the server is a standby', 'Point DATABASE_URL at the primary.');
  },
};

const walLevel: PostgresCheck = {
  name: 'wal_level',
  async run(context) {
    const { level } = await one<{ level: string }>(
      context,
      'operations.check_wal_level',
      `select current_setting('wal_level') as level`,
    );
    if (level === 'logical') return ok(level);
    return fail(level, `Run ALTER SYSTEM SET wal_level = 'logical', then restart Postgres.`);
  },
};

const freeSlot: PostgresCheck = {
  name: 'replication slots',
  async run(context) {
    const { used, max, exists } = await one<{ used: number; max: number; exists: boolean }>(
      context,
      'operations.check_slots',
      `select count(*)::int as used, current_setting('max_replication_slots')::int as max,
              coalesce(bool_or(slot_name = $1), false) as exists from pg_replication_slots`,
      [context.config.slot.name],
    );
    const found = `${used} of ${max} in use`;
    if (exists || used < max) return ok(exists ? `${found}, one of them by this relay` : found);
    return fail(
      found,
      'Drop a slot that is not needed, or raise max_replication_slots and restart Postgres.',
    );
  },
};

const freeSender: PostgresCheck = {
  name: 'WAL senders',
  async run(context) {
    const { used, max } = await one<{ used: number; max: number }>(
      context,
      'operations.check_senders',
      // Not pg_stat_activity: a role that may not see the sessions of others counts none of them there.
      `select count(*)::int as used, current_setting('max_wal_senders')::int as max from pg_stat_replication`,
    );
    const found = `${used} of ${max} in use`;
    if (used < max) return ok(found);
    return fail(found, 'Raise max_wal_senders and restart Postgres. Every relay needs one, in standby too.');
  },
};

const standbys: PostgresCheck = {
  name: 'synchronous standbys',
  async run({ pool }) {
    const { setting, includesRelay } = await readStandbyNames(pool);
    if (!includesRelay) return ok(setting === '' ? 'none' : `${setting}; does not match the relay`);
    return warn(`${setting} matches the relay itself`, standbyHint);
  },
};

/** Asked by opening such a connection: the role's attribute, pg_hba.conf and a pooler in between all count. */
const mayReplicate: PostgresCheck = {
  name: 'replication right',
  async run({ config }) {
    const client = createReplicationClient(config);
    try {
      await client.connect();
      await identifySystem(client);
      return ok('a replication connection can be opened');
    } catch (error) {
      const failure = postgresError(error, 'opening a replication connection');
      if (failure.code === 'POSTGRES_UNSUITABLE') return fail(failure.message, fixOf(failure));
      return fail(
        failure.message,
        'Run ALTER ROLE … REPLICATION (on a managed service, grant its replication role), and allow replication connections of the role in pg_hba.conf.',
      );
    } finally {
      // A server that hangs does not say goodbye either; this check's own time limit has passed by then.
      await client.end().catch(() => {});
    }
  },
};

/** Whether a relay ever streamed from this slot. The tables may be missing, which other checks say. */
export async function hasMark({ pool, config }: PostgresContext): Promise<boolean> {
  try {
    return Number.isFinite(await readFirstStart(pool, config.slot.name));
  } catch (error) {
    if (error instanceof RelayError && error.code === 'OUTBOX_TABLE_INVALID') return false;
    throw error;
  }
}

const slot: PostgresCheck = {
  name: 'slot',
  async run({ pool, config }) {
    const found = await readSlot(pool, config.slot.name);
    if (found === undefined) {
      if (!(await hasMark({ pool, config })))
        return ok(`${config.slot.name} does not exist; the first start creates it`);
      return fail(`${config.slot.name} does not exist, although a relay has used it`, hints.SLOT_MISSING);
    }
    const state = found.isActive
      ? `a relay is connected (walsender pid ${found.activePid})`
      : 'no relay is connected';
    const described = `${config.slot.name}: ${state}, ${describeBytes(found.retainedBytes)} of WAL retained, ${describeSlotHealth(found)}`;
    if (found.walStatus !== 'unreserved') return ok(described);
    return warn(
      described,
      'The slot can be lost at the next checkpoint. Let the relay catch up, or raise max_slot_wal_keep_size and reload Postgres.',
    );
  },
};

export const postgresChecks: readonly PostgresCheck[] = [
  server,
  primary,
  walLevel,
  freeSlot,
  freeSender,
  standbys,
  mayReplicate,
  ...outboxChecks,
  postgresEncryption,
  slot,
  walLimit,
  commitOrder,
];
