/**
 * Applies `migrations/*.sql` to a database, each once, in order, in one transaction each, and records them in
 * `outbox.migration`. Promise: any number of runs at once end as one; a run that dies leaves whole migrations only.
 */
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { RelayError } from './errors.ts';
import {
  labelOf,
  type Migration,
  type MigrationFile,
  planMigrations,
  readMigrations,
  withoutSql,
} from './migrate/plan.ts';

export type { Migration } from './migrate/plan.ts';

export type MigrateOptions = {
  /** Of a role that may create in the database; it becomes the owner of the schema `outbox`. */
  readonly databaseUrl: string;
  /** Where the numbered files are; the release's own by default. */
  readonly directory?: string;
  /** Changes nothing, not even `outbox.migration`. */
  readonly dryRun?: boolean;
  /** Number of the last migration to apply. */
  readonly to?: number;
  /** Called after each migration has committed. */
  readonly onProgress?: (migration: Migration, elapsedMs: number) => void;
};

export type MigrateResult = {
  /** What this run applied. */
  readonly applied: readonly Migration[];
  /** What is still to be applied: in a dry run all that would run, otherwise what `to` left out. */
  readonly pending: readonly Migration[];
  /** What had been applied before. */
  readonly already: readonly Migration[];
};

const releaseMigrations = fileURLToPath(new URL('../migrations/', import.meta.url));

/** Advisory locks are numbers without a register. The eight ASCII bytes of "outboxmg" are unlikely to be another's. */
const lockKey = Buffer.from('outboxmg').readBigInt64BE();

/** A server that accepts no connection for this long is down; it is less than what most deploy tools wait. */
const connectTimeoutMs = 10_000;

/**
 * @throws RelayError `MIGRATION_CONFLICT` before any change when the database does not fit the files;
 * `POSTGRES_UNAVAILABLE`, `POSTGRES_UNAUTHORIZED`; `INTERNAL` when a migration itself fails.
 */
export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  const files = await readMigrations(options.directory ?? releaseMigrations);
  const client = new pg.Client({
    connectionString: options.databaseUrl,
    application_name: 'outbox-relay migrate',
    connectionTimeoutMillis: connectTimeoutMs,
  });
  // A connection that breaks between two queries is reported here; the next query then fails and says so.
  client.on('error', () => undefined);
  try {
    await client.connect();
    // Held by the session until it ends: whoever comes second waits, and then finds nothing left to do.
    await client.query('select pg_advisory_lock($1)', [lockKey]);
    return await migrateLocked(client, files, options);
  } catch (error) {
    throw postgresFailure(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function migrateLocked(
  client: pg.Client,
  files: readonly MigrationFile[],
  options: MigrateOptions,
): Promise<MigrateResult> {
  const recorded = await readRecorded(client);
  const plan = planMigrations(files, recorded ?? [], options.to);
  if (options.dryRun) return { applied: [], pending: plan.next.map(withoutSql), already: plan.already };

  if (recorded === undefined && plan.next.length > 0) await createRecord(client);
  for (const file of plan.next) {
    const startedAtMs = performance.now();
    await applyMigration(client, file);
    options.onProgress?.(withoutSql(file), performance.now() - startedAtMs);
  }
  return { applied: plan.next.map(withoutSql), pending: plan.later, already: plan.already };
}

/** `undefined` where nothing was ever migrated: the table itself does not exist yet. */
async function readRecorded(client: pg.Client): Promise<Migration[] | undefined> {
  const exists = await client.query<{ exists: boolean }>(
    `select to_regclass('outbox.migration') is not null as exists`,
  );
  if (!exists.rows[0]?.exists) return undefined;
  const { rows } = await client.query<Migration>('select number, name, checksum from outbox.migration');
  return rows;
}

async function createRecord(client: pg.Client): Promise<void> {
  await client.query(`
    create schema if not exists outbox;
    create table outbox.migration (
      number     int         primary key,
      name       text        not null,
      checksum   text        not null,
      applied_at timestamptz not null default now()
    );
    comment on table outbox.migration is 'Applied by outbox-relay migrate; checksum is the SHA-256 of the file.';
  `);
}

async function applyMigration(client: pg.Client, file: MigrationFile): Promise<void> {
  await client.query('begin');
  try {
    await client.query(file.sql);
    await client.query('insert into outbox.migration (number, name, checksum) values ($1, $2, $3)', [
      file.number,
      file.name,
      file.checksum,
    ]);
    await client.query('commit');
  } catch (error) {
    // The session ends with this error, and the transaction with it.
    throw migrationFailure(error, file);
  }
}

/** Already there: made by hand or by another tool, of which `outbox.migration` knows nothing. */
const duplicateObjectStates = new Set(['42P06', '42P07', '42710', '42723']);

function migrationFailure(error: unknown, file: MigrationFile): RelayError {
  const options = { cause: error, context: { number: file.number, name: file.name } };
  const message = `${labelOf(file)} failed: ${messageOf(error)}`;
  if (duplicateObjectStates.has(sqlStateOf(error)))
    return new RelayError('MIGRATION_CONFLICT', message, options);
  const failure = postgresFailure(error);
  return new RelayError(failure.code, message, options);
}

/** Refused logins (class 28) and missing rights. */
const unauthorizedStates = /^(28...|42501)$/;
/** Connection broken (08), resources such as connection slots (53), shutting down or starting (57P), no such database. */
const unavailableStates = /^(08...|53...|57P..|3D000)$/;

/** An error without an SQLSTATE never reached the server, or lost it on the way. */
function postgresFailure(error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  const state = sqlStateOf(error);
  const options = { cause: error };
  if (unauthorizedStates.test(state))
    return new RelayError('POSTGRES_UNAUTHORIZED', messageOf(error), options);
  if (state === '' || unavailableStates.test(state)) {
    return new RelayError('POSTGRES_UNAVAILABLE', messageOf(error), options);
  }
  return new RelayError('INTERNAL', messageOf(error), options);
}

function sqlStateOf(error: unknown): string {
  return error instanceof pg.DatabaseError ? (error.code ?? '') : '';
}

/** The text of several failed addresses (`AggregateError`) is empty: name the first of them. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
