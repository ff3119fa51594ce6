import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { haveEnded, readNow } from '../../../../relay/audit/standing/read-window.ts';
import { type Postgres, startPostgres } from '../../../../stack/postgres.ts';

// A server of its own: no other transaction may end meanwhile.
let postgres: Postgres;
const clients: pg.Client[] = [];

beforeAll(async () => {
  postgres = await startPostgres({ settings: { fsync: 'off', autovacuum: 'off' } });
});
afterAll(async () => {
  for (const client of clients) await client.end();
  await postgres?.stop();
});

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  clients.push(client);
  return client;
}

test('a transaction runs that is later than the last one that has ended', async () => {
  const [writer, later, reader] = [await connect(), await connect(), await connect()];
  for (const client of [writer, later]) await client.query('begin; select pg_current_xact_id()');
  const { snapshot } = await readNow(reader);
  expect(await haveEnded(reader, [snapshot])).toEqual([false]);
  await later.query('rollback');
  expect(await haveEnded(reader, [snapshot])).toEqual([false]);
  await writer.query('commit');
  expect(await haveEnded(reader, [snapshot])).toEqual([true]);
});

test('savepoints of a transaction end with it', async () => {
  const [writer, reader] = [await connect(), await connect()];
  await writer.query('begin');
  await writer.query('create temporary table t (n int); savepoint a; insert into t values (1); savepoint b');
  await writer.query('insert into t values (2)');
  const { snapshot } = await readNow(reader);
  expect(await haveEnded(reader, [snapshot])).toEqual([false]);
  await writer.query('commit');
  expect(await haveEnded(reader, [snapshot])).toEqual([true]);
});

test('nothing runs', async () => {
  const reader = await connect();
  const { snapshot } = await readNow(reader);
  expect(snapshot).toMatch(/^([0-9]+):\1:$/);
  expect(await haveEnded(reader, [snapshot])).toEqual([true]);
});
