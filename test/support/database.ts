/** Owns a database of its own for each test file, on the shared server. */
import pg from 'pg';
import { dropDatabase, urlOf, withClient } from '../../harness/database.ts';
import { servers, templateOfToday } from './servers.ts';
import { unique } from './unique.ts';

export type TestDatabase = AsyncDisposable & {
  readonly name: string;
  /** Superuser on this database. */
  readonly url: string;
  readonly pool: pg.Pool;
  /** Ends every session on it, drops its replication slots and itself. */
  drop(): Promise<void>;
};

/** As `createDatabase`, with every migration applied. */
export async function createMigratedDatabase(): Promise<TestDatabase> {
  return createDatabase(`template ${await templateOfToday()}`);
}

/**
 * Creates an empty database; `drop` it in `afterAll`, or declare it with `await using`.
 * @param options of CREATE DATABASE
 */
export async function createDatabase(options = ''): Promise<TestDatabase> {
  const { databaseUrl } = await servers();
  const name = unique('test');
  await withClient(databaseUrl, (client) => client.query(`create database ${name} ${options}`));
  const url = urlOf(databaseUrl, name);
  const pool = new pg.Pool({ connectionString: url });
  pool.on('error', () => {}); // an idle session that a test's outage ended; the next query says so
  let dropped: Promise<void> | undefined;
  const drop = async () => {
    if (!pool.ended) await pool.end();
    await dropDatabase(databaseUrl, name);
  };
  const database: TestDatabase = {
    name,
    url,
    pool,
    drop() {
      dropped ??= drop();
      return dropped;
    },
    [Symbol.asyncDispose]() {
      return database.drop();
    },
  };
  return database;
}
