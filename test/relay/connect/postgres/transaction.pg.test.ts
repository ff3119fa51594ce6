import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openClient } from '../../../../relay/connect/postgres/client.ts';
import { pages } from '../../../../relay/connect/postgres/cursor.ts';
import { createPool } from '../../../../relay/connect/postgres/pool.ts';
import { query, statement } from '../../../../relay/connect/postgres/statement.ts';
import { inTransaction, readOnly } from '../../../../relay/connect/postgres/transaction.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { configOf } from '../../settings.ts';

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase();
  pool = createPool(configOf({}, { databaseUrl: database.url }));
  await database.pool.query('create table public.number (n int)');
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const open = () => openClient(configOf({}, { databaseUrl: database.url }), 'test', 10_000);
const add = statement('test.add', 'adding', 'insert into public.number values ($1)');
const count = async () => (await database.pool.query('select from public.number')).rowCount;

test('what fails in a transaction is rolled back, and its connection closed', async () => {
  const readPid = statement<{ pid: number }>('test.pid', 'reading the pid', 'select pg_backend_pid() as pid');
  let pid: number | undefined;
  const failing = inTransaction(pool, 'counting', async (client) => {
    [{ pid } = { pid: undefined }] = await query(client, readPid);
    await query(client, add, [1]);
    throw new Error('half-way');
  });
  await expect(failing).rejects.toThrow('half-way');
  expect(await count()).toBe(0);
  expect((await query(pool, readPid))[0]?.pid).not.toBe(pid);
});

test('a transaction commits what it did, and the server ends it where it stands still', async () => {
  const limit = await inTransaction(pool, 'counting', async (client) => {
    await query(client, add, [1]);
    const name = 'idle_in_transaction_session_timeout';
    return query(client, statement('test.limit', 'reading', `select current_setting('${name}') as limit`));
  });
  expect(limit).toEqual([{ limit: '5s' }]);
  expect(await count()).toBe(1);
});

test('a read sees one snapshot, writes nothing, and leaves the connection usable where it fails', async () => {
  const client = await open();
  const read = statement<{ n: string }>('test.count', 'counting', 'select count(*) as n from public.number');
  await readOnly(client, 'counting', 'repeatable read', async () => {
    const [before] = await query(client, read);
    await database.pool.query('insert into public.number values (2)');
    expect(await query(client, read)).toEqual([before]);
    await expect(query(client, add, [3])).rejects.toThrow('read-only transaction');
  });
  expect(await query(client, read)).toEqual([{ n: '2' }]);
  await client.end();
});

test.each([0, 3, 6, 7])('%i rows come in pages of three, one cursor after another', async (rows) => {
  const client = await open();
  const series = statement<{ n: number }>(
    'test.series',
    'counting',
    'select n from generate_series(1, $1) as n',
  );
  const sizes: number[] = [];
  const read: number[] = [];
  await readOnly(client, 'counting', 'read committed', async () => {
    for (let time = 0; time < 2; time++)
      for await (const page of pages(client, series, [rows], 3)) {
        sizes.push(page.length);
        read.push(...page.map(({ n }) => n));
      }
  });
  const once = Array.from({ length: rows }, (_, index) => index + 1);
  expect(read).toEqual([...once, ...once]);
  expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(3);
  await client.end();
});
