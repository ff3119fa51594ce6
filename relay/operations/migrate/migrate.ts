/**
 * Applies `migrations/*.sql` to a database, each once, in order, in one transaction each, and records them in
 * `outbox.migration`. Promise: any number of runs at once end as one; a run that dies leaves whole migrations only.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { packageRoot } from '../../config/package-root.ts';
import { clientOf } from '../../connect/postgres/client.ts';
import { postgresError, sqlStateOf, sqlStates } from '../../connect/postgres/errors.ts';
import { passwordSource } from '../../connect/postgres/password.ts';
import { type Client, query, statement } from '../../connect/postgres/statement.ts';
import { transaction } from '../../connect/postgres/transaction.ts';
import { asRelayError, RelayError } from '../../errors.ts';
import { assertOwn } from './owners.ts';
import {
  labelOf,
  type Migration,
  type MigrationFile,
  type MigrationPlan,
  planMigrations,
  readMigrations,
  withoutSql,
} from './plan.ts';

export type { Migration } from './plan.ts';

export type MigrateOptions = {
  /** Of a role that may create in the database; it becomes the owner of the schema `outbox`. */
  readonly databaseUrl: string;
  /** Says where the password comes from, where it is not in the URL. */
  readonly database?: Config['database'] | undefined;
  /** Where the numbered files are; the release's own by default. */
  readonly directory?: string;
  /** Changes nothing, not even `outbox.migration`. */
  readonly dryRun?: boolean;
  /** Number of the last migration to apply. */
  readonly to?: number;
  /** Runs roles.sql afterwards: the roles, and the rights that they need. */
  readonly roles?: boolean;
  /** For how long it waits, in ms; the release's own limits by default. */
  readonly waits?: Waits;
  /** Called after each migration has committed. */
  readonly onProgress?: (migration: Migration, elapsedMs: number) => void;
};

export type Waits = {
  /** For another run to end its migration. */
  readonly turnMs: number;
  /** For any other lock. */
  readonly lockMs: number;
};

export type MigrateResult = {
  /** What this run applied. */
  readonly applied: readonly Migration[];
  /** What is still to be applied: in a dry run all that would run, otherwise what `to` left out. */
  readonly pending: readonly Migration[];
  /** What had been applied before. */
  readonly already: readonly Migration[];
};

const releaseMigrations = path.join(packageRoot, 'migrations');

const releaseWaits: Waits = {
  // The longest migration of ours builds indexes over dead letters, a million of them in some 10 s.
  turnMs: 60_000,
  // Who waits for a lock of the strongest kind has all later ones wait behind him, the application's INSERTs too.
  lockMs: 5_000,
};

/** A server that accepts no connection for this long is down; it is less than what most deploy tools wait. */
const connectTimeoutMs = 10_000;

/**
 * @throws RelayError `MIGRATION_CONFLICT` before any change when the database does not fit the files, and when it does not
 * take a migration; `POSTGRES_*`, also where a lock was not free in time; `TLS_REFUSED`
 */
export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  const files = await readMigrations(options.directory ?? releaseMigrations);
  const client = clientOf({
    url: options.databaseUrl,
    passwordOf: options.database === undefined ? undefined : passwordSource(options.database),
    applicationName: 'outbox-relay migrate',
    // A migration may take long, and only the server knows what it waits for.
    statementTimeoutMs: 0,
    connectTimeoutMs,
  });
  try {
    await client.connect();
    if (options.dryRun) return await look(client, files, options);
    const result = await applyAll(client, files, options);
    if (options.roles) await grantRights(client);
    return result;
  } catch (error) {
    throw postgresError(error, doing);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** In one transaction, which the file begins and ends itself. */
async function grantRights(client: pg.Client): Promise<void> {
  const sql = await readFile(path.join(releaseMigrations, 'roles.sql'), 'utf8');
  await query(client, statement('operations.grant_rights', 'running roles.sql', sql));
}

async function look(
  client: pg.Client,
  files: readonly MigrationFile[],
  { to }: MigrateOptions,
): Promise<MigrateResult> {
  await assertOwn(client);
  const recorded = (await hasRecord(client)) ? await readRecorded(client) : [];
  const plan = planMigrations(files, recorded, to);
  return { applied: [], pending: plan.next.map(withoutSql), already: plan.already };
}

async function applyAll(
  client: pg.Client,
  files: readonly MigrationFile[],
  { to, waits = releaseWaits, onProgress }: MigrateOptions,
): Promise<MigrateResult> {
  if (!(await hasRecord(client))) {
    // Refuses what can be refused before it makes anything.
    planMigrations(files, [], to);
    await createRecord(client);
  }
  const applied: Migration[] = [];
  for (;;) {
    const startedAtMs = performance.now();
    const plan = await applyNext(client, files, to, waits);
    const [next] = plan.next;
    if (next === undefined) {
      const already = plan.already.filter(({ number }) => !applied.some((own) => own.number === number));
      return { applied, pending: plan.later, already };
    }
    applied.push(withoutSql(next));
    onProgress?.(withoutSql(next), performance.now() - startedAtMs);
  }
}

async function hasRecord(client: pg.Client): Promise<boolean> {
  const [row] = await query(client, findRecord);
  return row?.exists === true;
}

const doing = 'migrating';

const findRecord = statement<{ exists: boolean }>(
  'operations.find_migration_record',
  doing,
  `select to_regclass('outbox.migration') is not null as exists`,
);

/** What `outbox.migration` holds, in any order. @throws RelayError POSTGRES_*, OUTBOX_TABLE_INVALID where it does not exist */
export function readRecorded(client: Client): Promise<Migration[]> {
  return query(client, readRecord);
}

const readRecord = statement<Migration>(
  'operations.read_migration_record',
  'reading outbox.migration',
  'select number, name, checksum from outbox.migration',
);

/** Errors of a run that creates the schema or the table at the same time as another one, which has then committed. */
const createdByAnother: ReadonlySet<string | undefined> = new Set([
  sqlStates.uniqueViolation,
  sqlStates.duplicateSchema,
  sqlStates.duplicateTable,
]);

async function createRecord(client: pg.Client): Promise<void> {
  try {
    await transaction(client, doing, async () => {
      await query(client, createSchema);
      await assertOwn(client);
      await query(client, createRecordTable);
    });
  } catch (error) {
    if (!createdByAnother.has(sqlStateOf(error))) throw error;
    await rollBack(client);
    if (!(await hasRecord(client))) await createRecord(client);
  }
}

const createSchema = statement(
  'operations.create_outbox_schema',
  doing,
  'create schema if not exists outbox',
);

const createRecordTable = statement(
  'operations.create_migration_record',
  doing,
  `create table outbox.migration (
      number     int         primary key,
      name       text        not null,
      checksum   text        not null,
      applied_at timestamptz not null default now()
    );
    comment on table outbox.migration is 'Applied by outbox-relay migrate; checksum is the SHA-256 of the file.'`,
);

/**
 * Applies the first migration that is missing, if any, in a transaction of its own. The lock on the table of migrations
 * serializes runs: a second one waits, and reads the table again. Anybody who may connect could take an advisory lock.
 */
async function applyNext(
  client: pg.Client,
  files: readonly MigrationFile[],
  to: number | undefined,
  waits: Waits,
): Promise<MigrationPlan> {
  await begin(client, waits);
  await assertOwn(client);
  const plan = planMigrations(files, await readRecorded(client), to);
  const [file] = plan.next;
  if (file === undefined) {
    await rollBack(client);
    return plan;
  }
  const failed = `${labelOf(file)} failed`;
  try {
    await query(client, statement('operations.apply_migration', failed, file.sql));
    await query(client, { ...recordMigration, doing: failed }, [file.number, file.name, file.checksum]);
    await query(client, statement('operations.commit_migration', failed, 'commit'));
  } catch (error) {
    throw await migrationFailure(client, asRelayError(error), file, waits);
  }
  return plan;
}

const recordMigration = statement(
  'operations.record_migration',
  doing,
  'insert into outbox.migration (number, name, checksum) values ($1, $2, $3)',
);

async function begin(client: pg.Client, { turnMs, lockMs }: Waits): Promise<void> {
  const text = `begin; set local lock_timeout = ${turnMs};
    lock table outbox.migration in share row exclusive mode; set local lock_timeout = ${lockMs}`;
  try {
    await query(client, statement('operations.begin_migration', doing, text));
  } catch (error) {
    if (sqlStateOf(error) !== sqlStates.lockNotAvailable) throw error;
    throw await lockFailure(
      client,
      asRelayError(error).cause,
      `outbox.migration was not free within ${turnMs} ms`,
    );
  }
}

/** The object exists, and `outbox.migration` does not record it: somebody, or another tool, created it. */
const duplicateObjectStates: ReadonlySet<string | undefined> = new Set([
  sqlStates.duplicateSchema,
  sqlStates.duplicateTable,
  sqlStates.duplicateObject,
  sqlStates.duplicateFunction,
]);

/** The session ends with this error, which rolls the transaction back. */
async function migrationFailure(
  client: pg.Client,
  failure: RelayError,
  file: MigrationFile,
  { lockMs }: Waits,
): Promise<RelayError> {
  const label = labelOf(file);
  const state = sqlStateOf(failure);
  if (state === sqlStates.lockNotAvailable)
    return lockFailure(client, failure.cause, `${label} needs a lock that was not free within ${lockMs} ms`);
  const options = {
    cause: failure.cause,
    context: { number: file.number, name: file.name, sqlState: state },
  };
  if (duplicateObjectStates.has(state))
    return new RelayError(
      'MIGRATION_CONFLICT',
      `${failure.message}; outbox.migration does not record it, so outbox-relay did not create it: rename or drop it, or continue with the tool that created it`,
      options,
    );
  // The database has what the migration creates, or lacks what it changes.
  const isOurs = failure.code === 'INTERNAL' || failure.code === 'OUTBOX_TABLE_INVALID';
  return new RelayError(isOurs ? 'MIGRATION_CONFLICT' : failure.code, failure.message, options);
}

/** POSTGRES_UNAVAILABLE, for the holder releases the lock at some time. It names the holders. */
async function lockFailure(client: pg.Client, error: unknown, message: string): Promise<RelayError> {
  const holders = await readLockHolders(client).catch(() => []);
  const named = holders.length > 0 ? `: ${holders.join('; ')}` : '';
  return new RelayError(
    'POSTGRES_UNAVAILABLE',
    `${message}${named}. Wait for the holder, or end it with pg_terminate_backend, and migrate again`,
    { cause: error, context: { sqlState: sqlStates.lockNotAvailable } },
  );
}

async function readLockHolders(client: pg.Client): Promise<string[]> {
  await rollBack(client);
  const holders = await query(client, readHolders);
  return holders.map(
    ({ pid, role, application, tables }) =>
      `process ${pid} of role ${role}${application === '' ? '' : ` (${application})`} holds ${tables}`,
  );
}

const readHolders = statement<{ pid: number; role: string; application: string; tables: string }>(
  'operations.read_lock_holders',
  doing,
  `select activity.pid, activity.usename as role, activity.application_name as application,
          string_agg(distinct held.relation::regclass || ' ' || held.mode, ', ') as tables
     from pg_locks as held
     join pg_class as relation on relation.oid = held.relation
     join pg_stat_activity as activity on activity.pid = held.pid
    where held.granted and held.pid <> pg_backend_pid() and relation.relkind in ('r', 'p')
      and held.database = (select oid from pg_database where datname = current_database())
      and relation.relnamespace = (select oid from pg_namespace where nspname = 'outbox')
    group by 1, 2, 3 order by 1 limit 5`,
);

async function rollBack(client: pg.Client): Promise<void> {
  await query(client, statement('operations.roll_back_migration', doing, 'rollback'));
}
