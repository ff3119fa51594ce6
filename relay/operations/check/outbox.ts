/** What the relay needs of the schema outbox: its tables, its publication, and the rights on them. One question a function. */
import path from 'node:path';
import type pg from 'pg';
import { examineOutbox } from '../../capture/outbox-table.ts';
import { heartbeatTable, readPublication } from '../../capture/publication.ts';
import type { Config } from '../../config/config.ts';
import { ownTable } from '../../config/own-table.ts';
import { packageRoot } from '../../config/package-root.ts';
import { sqlStateOf, sqlStates } from '../../connect/postgres/errors.ts';
import { quoteTable } from '../../connect/postgres/quoting.ts';
import { rowSecurity } from '../../connect/postgres/row-security.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { readRecorded } from '../migrate/migrate.ts';
import { findStrangers } from '../migrate/owners.ts';
import { planMigrations, readMigrations } from '../migrate/plan.ts';
import { describeBytes } from '../slot-health.ts';
import { fail, fixOf, ok, skipped, type Verdict, warn } from './finding.ts';
import { operatorRights } from './operators.ts';
import { one, type PostgresCheck } from './postgres-context.ts';
import { few } from './topics.ts';

const migrations = path.join(packageRoot, 'migrations');

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
    return skipped(
      'this role may not read outbox.migration; its owner can run `outbox-relay migrate --dry-run`',
    );
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

/** From outbox.event a function removes rows. */
const deletes = ({ cleanup, outbox }: Config): boolean =>
  cleanup.retention !== undefined && outbox.table !== ownTable;

/** What migrations/roles.sql grants to the relay: relation and rights, or a function. */
const rightsOfRelay = (config: Config): { on: string; rights: readonly string[] }[] => [
  { on: quoteTable(config.outbox.table), rights: deletes(config) ? ['select', 'delete'] : ['select'] },
  { on: heartbeatTable, rights: ['select', 'insert', 'delete'] },
  { on: 'outbox.progress', rights: ['select', 'insert', 'update'] },
  { on: 'outbox.dead_letter', rights: ['select', 'insert', 'update'] },
  { on: 'outbox.parked_key', rights: ['select', 'insert', 'update', 'delete'] },
  { on: 'outbox.key_release', rights: ['select', 'update'] },
  { on: 'outbox.control', rights: ['select'] },
  { on: 'outbox.pause', rights: ['select'] },
  { on: 'outbox.relay', rights: ['select', 'insert', 'update', 'delete'] },
  { on: 'outbox.wal_sample', rights: ['select', 'insert', 'update'] },
  { on: 'outbox.replay', rights: ['select'] },
  { on: 'outbox.audit', rights: ['select', 'insert', 'update'] },
  { on: 'outbox.audit_finding', rights: ['select', 'insert', 'update'] },
  { on: 'outbox.removal', rights: ['select'] },
];

/** Of a table that roles.sql does not know. */
function grantsOnOwnTable(missing: readonly string[], config: Config): string {
  const { table } = config.outbox;
  if (table === ownTable) return '';
  const rights = missing.flatMap((each) => (each.endsWith(` on ${table}`) ? [each.split(' ', 1)[0]!] : []));
  return rights.length === 0
    ? ''
    : ` That file does not know ${table}: GRANT ${rights.join(', ').toUpperCase()} ON ${quoteTable(table)} TO outbox_relay;`;
}

const rights: PostgresCheck = {
  name: 'rights',
  async run({ pool, config }) {
    const missing = await rightsMissingTo(pool, config);
    if (missing.length === 0) return ok('everything that migrations/roles.sql grants to the relay');
    return fail(
      `missing: ${few(missing)}`,
      `Run \`outbox-relay migrate --roles\` as the owner, which runs migrations/roles.sql, and connect as a member of the role outbox_relay.${grantsOnOwnTable(missing, config)}`,
    );
  },
};

/**
 * What the relay needs and the role lacks, in words.
 * @param role by default the one that asks
 * @throws RelayError POSTGRES_*
 */
export async function rightsMissingTo(pool: pg.Pool, config: Config, role?: string): Promise<string[]> {
  const wanted = rightsOfRelay(config).flatMap(({ on, rights }) => rights.map((right) => ({ on, right })));
  const rows = await query(
    pool,
    statement<{ on: string; right: string; granted: boolean | null }>(
      'operations.read_rights',
      'reading the rights of the role',
      `select t.on, t.right, has_table_privilege(coalesce($3::name, current_user), to_regclass(t.on), t.right) as granted
         from unnest($1::text[], $2::text[]) as t("on", "right")`,
    ),
    [wanted.map(({ on }) => on), wanted.map(({ right }) => right), role ?? null],
  );
  const missing = rows
    .filter(({ granted }) => granted !== true)
    .map(({ on, right, granted }) =>
      granted === null ? `${bare(on)} (does not exist)` : `${right} on ${bare(on)}`,
    );
  missing.push(...(await missingFunctions(pool, config, role)));
  return [...new Set(missing)];
}

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
    return fail(
      `may hide rows of ${hiding.join(', ')} from this role`,
      fixOf({ code: 'POSTGRES_ROWS_HIDDEN' }),
    );
  },
};

/** What upkeep calls, as the settings have it. */
const functionsOfRelay = ({ outbox, deadLetters, cleanup }: Config): string[] => [
  'outbox.end_expired_pauses(text)',
  'outbox.release_paused(text, text, integer)',
  ...(outbox.partitionsDaysAhead > 0 ? ['outbox.ensure_partition(date)'] : []),
  ...(deadLetters.keepClosedDays > 0 ? ['outbox.purge_dead_letters(text, interval, text[])'] : []),
  ...(deadLetters.keepClosed > 0 ? ['outbox.purge_dead_letters_beyond(text, bigint, text[])'] : []),
  ...(cleanup.retention === undefined ? [] : functionsOfCleanup(outbox.table)),
];

const functionsOfCleanup = (table: string): string[] =>
  table === ownTable
    ? [
        'outbox.judge_partition(text, bigint, bigint, timestamptz, boolean, boolean)',
        'outbox.drop_partition(text, interval, boolean, boolean, text, bigint, numeric)',
        'outbox.remove_default_rows(bigint, bigint, interval, boolean, boolean, bigint)',
        'outbox.partition_lines(text, bigint, bigint)',
      ]
    : [
        'outbox.judge_rows(regclass, name, name, bigint, bigint, timestamptz, boolean, boolean)',
        'outbox.remove_rows(regclass, name, name, bigint, bigint, timestamptz, boolean, boolean, bigint)',
      ];

async function missingFunctions(pool: pg.Pool, config: Config, role?: string): Promise<string[]> {
  const rows = await query(
    pool,
    statement<{ name: string; exists: boolean }>(
      'operations.read_functions',
      'reading the rights of the role',
      `select name, to_regprocedure(name) is not null as exists from unnest($1::text[]) as name
      where has_function_privilege(coalesce($2::name, current_user), to_regprocedure(name), 'execute') is not true`,
    ),
    [functionsOfRelay(config), role ?? null],
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
      'Run `outbox-relay migrate --roles` as the owner.',
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

export const outboxChecks: readonly PostgresCheck[] = [
  migrated,
  outboxTable,
  publication,
  rights,
  owners,
  trail,
  operatorRights,
  partitions,
  hiddenRows,
];
