/** Owns a database of its own for each test file, on the shared server. */
import pg from 'pg';
import { vi } from 'vitest';
import { servers } from './servers.ts';
import { unique } from './unique.ts';

export type TestDatabase = AsyncDisposable & {
  readonly name: string;
  /** Superuser on this database. */
  readonly url: string;
  readonly pool: pg.Pool;
  /** Ends every session on it, drops its replication slots and itself. */
  drop(): Promise<void>;
};

/**
 * Creates an empty database; `drop` it in `afterAll`, or declare it with `await using`.
 * @param options of CREATE DATABASE
 */
export async function createDatabase(options = ''): Promise<TestDatabase> {
  const { databaseUrl } = await servers();
  const name = unique('test');
  await asSuperuser(databaseUrl, (client) => client.query(`create database ${name} ${options}`));
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  const pool = new pg.Pool({ connectionString: url.href });
  pool.on('error', () => {}); // an idle session that a test's outage ended; the next query says so
  let dropped: Promise<void> | undefined;
  const drop = async () => {
    if (!pool.ended) await pool.end();
    await asSuperuser(databaseUrl, (client) => dropDatabase(client, name));
  };
  const database: TestDatabase = {
    name,
    url: url.href,
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

async function asSuperuser(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

async function dropDatabase(client: pg.Client, name: string): Promise<void> {
  const ofDatabase = 'from pg_replication_slots where database = $1';
  await vi.waitFor(
    async () => {
      // A walsender needs an instant to let go of its slot, and a relay that still runs may take it again.
      await client.query(`select pg_terminate_backend(active_pid) ${ofDatabase} and active`, [name]);
      await client.query(`select pg_drop_replication_slot(slot_name) ${ofDatabase}`, [name]);
      await client.query(`drop database if exists ${name} with (force)`);
    },
    { timeout: 15_000, interval: 20 },
  );
}
