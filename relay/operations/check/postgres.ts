/** What the relay needs of Postgres. One question a function. */
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { examineOutbox } from '../../capture/outbox-table.ts';
import { heartbeatTable, readPublication } from '../../capture/publication.ts';
import { readSlot } from '../../capture/slot.ts';
import { identifySystem } from '../../capture/system.ts';
import type { Config } from '../../config/config.ts';
import { postgresError, sqlStateOf, sqlStates } from '../../connect/postgres/errors.ts';
import { quoteTable } from '../../connect/postgres/quoting.ts';
import { createReplicationClient } from '../../connect/postgres/replication-client.ts';
import { rowSecurity } from '../../connect/postgres/row-security.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { hints, RelayError } from '../../errors.ts';
import { readMarks } from '../../ledger/progress-copy.ts';
import { readStandbyNames, standbyHint } from '../../ledger/standbys.ts';
import { readRecorded } from '../migrate/migrate.ts';
import { findStrangers } from '../migrate/owners.ts';
import { planMigrations, readMigrations } from '../migrate/plan.ts';
import { describeBytes, describeSlotHealth } from '../slot-health.ts';
import { postgresEncryption } from './encryption.ts';
import { type Check, fail, ok, type Verdict, warn } from './finding.ts';

export type PostgresContext = { readonly pool: pg.Pool; readonly config: Config };

type PostgresCheck = Check<PostgresContext>;

const migrations = fileURLToPath(new URL('../../../migrations/', import.meta.url));

async function one<Row extends pg.QueryResultRow>(
  { pool }: PostgresContext,
  name: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row> {
  const [row] = await query(pool, statement<Row>(name, 'checking Postgres', sql), values);
  return row as Row;
}

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
      [context.config.slot],
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
      if (failure.code === 'POSTGRES_UNSUITABLE') return fail(failure.message, failure.hint);
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

const migrated: PostgresCheck = {
  name: 'migrations',
  async run({ pool }) {
    const files = await readMigrations(migrations);
    try {
      const { already, next } = planMigrations(files, await readRecorded(pool), undefined);
      if (next.length === 0) return ok(`all ${already.length} applied`);
      return fail(`${next.length} of ${files.length} not applied`, 'Run `outbox-relay migrate`.');
    } catch (error) {
      return migrationsUnknown(error);
    }
  },
};

function migrationsUnknown(error: unknown): Verdict {
  const state = sqlStateOf(error);
  // roles.sql lets the relay read only what it works with; what the migrations make is asked for below.
  if (state === sqlStates.insufficientPrivilege)
    return ok('this role may not read outbox.migration; its owner can run `outbox-relay migrate --dry-run`');
  if (state === sqlStates.undefinedTable || state === sqlStates.invalidSchemaName)
    return warn(
      'outbox.migration does not exist',
      'Run `outbox-relay migrate`, unless another tool applies migrations/.',
    );
  throw error;
}

const capitalised = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(';') ? '' : '.'}`;

const outboxTable: PostgresCheck = {
  name: 'outbox table',
  async run({ pool, config }) {
    const findings = await examineOutbox(pool, config);
    const { table } = config.outbox;
    if (findings.length === 0) return ok(`${table} has every mapped column, and each is published`);
    const refused = findings.filter(({ severity }) => severity !== 'warn');
    const told = refused.length > 0 ? refused : findings;
    const message = told.map((finding) => finding.message).join('; ');
    const fix = [...new Set(told.map((finding) => capitalised(finding.fix)))].join(' ');
    return refused.length > 0 ? fail(message, fix) : warn(message, fix);
  },
};

const publication: PostgresCheck = {
  name: 'publication',
  async run(context) {
    const { pool, config } = context;
    await readPublication(pool, config);
    const { more } = await one<{ more: boolean }>(
      context,
      'operations.check_publication',
      'select pubupdate or pubdelete or pubtruncate as more from pg_publication where pubname = $1',
      [config.publication],
    );
    if (more)
      return warn(
        `${config.publication} publishes more than inserts`,
        `Run ALTER PUBLICATION ${config.publication} SET (publish = 'insert'). Postgres decodes the rest, and the relay ignores it.`,
      );
    return ok(`${config.publication} covers ${config.outbox.table} and ${heartbeatTable}, inserts only`);
  },
};

/** What migrations/roles.sql grants to the relay: relation and rights, or a function. */
const rightsOfRelay = (config: Config): { on: string; rights: readonly string[] }[] => [
  { on: quoteTable(config.outbox.table), rights: ['select'] },
  { on: heartbeatTable, rights: ['select', 'insert', 'delete'] },
  { on: 'outbox.progress', rights: ['select', 'insert', 'update'] },
  { on: 'outbox.dead_letter', rights: ['select', 'insert', 'update'] },
  { on: 'outbox.parked_key', rights: ['select', 'insert', 'update', 'delete'] },
  { on: 'outbox.key_release', rights: ['select', 'update'] },
];

const rights: PostgresCheck = {
  name: 'rights',
  async run(context) {
    const { pool, config } = context;
    const wanted = rightsOfRelay(config).flatMap(({ on, rights }) => rights.map((right) => ({ on, right })));
    const rows = await query(
      pool,
      statement<{ on: string; right: string; granted: boolean | null }>(
        'operations.read_rights',
        'reading the rights of the role',
        `select t.on, t.right, has_table_privilege(to_regclass(t.on), t.right) as granted
         from unnest($1::text[], $2::text[]) as t("on", "right")`,
      ),
      [wanted.map(({ on }) => on), wanted.map(({ right }) => right)],
    );
    const missing = rows
      .filter(({ granted }) => granted !== true)
      .map(({ on, right, granted }) =>
        granted === null ? `${bare(on)} (does not exist)` : `${right} on ${bare(on)}`,
      );
    missing.push(...(await missingFunctions(context)));
    if (missing.length === 0) return ok('everything that migrations/roles.sql grants to the relay');
    return fail(
      `missing: ${[...new Set(missing)].join(', ')}`,
      'Run migrations/roles.sql as the owner, and connect as a member of the role outbox_relay.',
    );
  },
};

/** For people, who see no need for quotes. */
const bare = (table: string): string => table.replaceAll('"', '');

/** A command that does not see every row must not call anything complete: it refuses, and this check says so beforehand. */
const hiddenRows: PostgresCheck = {
  name: 'row-level security',
  async run({ pool, config }) {
    const { table } = config.outbox;
    const rows = await query(
      pool,
      statement<{ name: string; shown: boolean }>(
        'operations.read_row_security',
        'reading row-level security',
        rowSecurity(table),
      ),
    );
    if (rows.length === 0) return ok('hides no rows from this role');
    const hiding = rows.filter(({ shown }) => !shown).map(({ name }) => name);
    const names = rows.map(({ name }) => name).join(', ');
    if (hiding.length === 0) return ok(`enabled on ${names}; a policy shows this role every row`);
    return fail(`may hide rows of ${hiding.join(', ')} from this role`, hints.POSTGRES_ROWS_HIDDEN);
  },
};

/** What upkeep calls, as the settings have it. */
const functionsOfRelay = ({ outbox, deadLetters }: Config): string[] => [
  ...(outbox.partitionsDaysAhead > 0 ? ['outbox.ensure_partition(date)'] : []),
  ...(deadLetters.keepClosedDays > 0 ? ['outbox.purge_dead_letters(text, interval, text[])'] : []),
  ...(deadLetters.keepClosed > 0 ? ['outbox.purge_dead_letters_beyond(text, bigint, text[])'] : []),
];

async function missingFunctions({ pool, config }: PostgresContext): Promise<string[]> {
  const rows = await query(
    pool,
    statement<{ name: string; exists: boolean }>(
      'operations.read_functions',
      'reading the rights of the role',
      `select name, to_regprocedure(name) is not null as exists from unnest($1::text[]) as name
      where has_function_privilege(to_regprocedure(name), 'execute') is not true`,
    ),
    [functionsOfRelay(config)],
  );
  return rows.map(({ name, exists }) => (exists ? `execute on ${name}` : `${name} (does not exist)`));
}

/** The same question that `migrate` asks: another owner could drop, replace or add what the relay works with. */
const owners: PostgresCheck = {
  name: 'owners',
  async run({ pool }) {
    const [outbox] = await query(
      pool,
      statement<{ owner: string }>(
        'operations.read_owner',
        'reading the owner of the outbox',
        `select pg_get_userbyid(relowner)::text as owner from pg_class where oid = to_regclass('outbox.progress')`,
      ),
    );
    if (outbox === undefined) return ok('the schema outbox has no tables yet');
    const strangers = await findStrangers(pool, outbox.owner);
    if (strangers.length === 0) return ok(`role ${outbox.owner} owns the schema outbox and everything in it`);
    return fail(
      `role ${outbox.owner} owns the schema outbox, but not everything in it: ${strangers.join(', ')}`,
      `Inspect each of these. Then drop it, revoke the right, or run ALTER … OWNER TO ${outbox.owner}.`,
    );
  },
};

const trail: PostgresCheck = {
  name: 'audit trail',
  async run(context) {
    const { open } = await one<{ open: boolean }>(
      context,
      'operations.check_trail',
      `select exists (select from pg_roles where rolname = 'outbox_operator' and (
                 has_any_column_privilege(oid, to_regclass('outbox.dead_letter'), 'update')
                 or has_any_column_privilege(oid, to_regclass('outbox.dead_letter_action'), 'insert'))) as open`,
    );
    if (!open) return ok('operators cannot change it directly');
    return warn(
      'outbox_operator may change dead letters and their audit trail directly, as in an earlier release',
      'Run migrations/roles.sql again as the owner.',
    );
  },
};

/** Above this size no partition is attached; migration 0012 says why. */
const readableBytes = 16 * 1024 * 1024;

const partitions: PostgresCheck = {
  name: 'partitions',
  async run(context) {
    const { partitionsDaysAhead } = context.config.outbox;
    if (partitionsDaysAhead === 0) return ok('the relay creates none (outbox.partitionsDaysAhead is 0)');
    const { bytes, tomorrow } = await one<{ bytes: string | null; tomorrow: boolean }>(
      context,
      'operations.check_default_partition',
      `select pg_relation_size(to_regclass('outbox.event_default')) as bytes,
              to_regclass('outbox.event_' || to_char((now() at time zone 'UTC')::date + 1, 'YYYYMMDD')) is not null
                as tomorrow`,
    );
    if (bytes === null) return ok('outbox.event_default does not exist');
    const found = `outbox.event_default holds ${describeBytes(Number(bytes))}; ${tomorrow ? 'a partition for tomorrow exists' : 'there is no partition for tomorrow'}`;
    if (Number(bytes) <= readableBytes) return ok(found);
    return warn(
      `${found}. Above 16 MB the relay attaches no partition: Postgres would lock outbox.event_default while it reads all of it`,
      'Delete published events from outbox.event_default, then run VACUUM on it.',
    );
  },
};

/** Whether a relay ever streamed from this slot. The tables may be missing, which other checks say. */
async function hasMark({ pool, config }: PostgresContext): Promise<boolean> {
  try {
    return (await readMarks(pool, config.slot)).initialised;
  } catch (error) {
    if (error instanceof RelayError && error.code === 'OUTBOX_TABLE_INVALID') return false;
    throw error;
  }
}

const slot: PostgresCheck = {
  name: 'slot',
  async run({ pool, config }) {
    const found = await readSlot(pool, config.slot);
    if (found === undefined) {
      if (!(await hasMark({ pool, config })))
        return ok(`${config.slot} does not exist; the first start creates it`);
      return fail(`${config.slot} does not exist, although a relay has used it`, hints.SLOT_MISSING);
    }
    const state = found.isActive
      ? `a relay is connected (walsender pid ${found.activePid})`
      : 'no relay is connected';
    const described = `${config.slot}: ${state}, ${describeBytes(found.retainedBytes)} of WAL retained, ${describeSlotHealth(found)}`;
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
  migrated,
  outboxTable,
  publication,
  rights,
  owners,
  trail,
  partitions,
  hiddenRows,
  postgresEncryption,
  slot,
];
