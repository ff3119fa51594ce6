import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RelayError } from '../../relay/errors.ts';
import { createPool, postgresError, query, quoteTable } from '../../relay/postgres.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { configOf, type Settings } from './settings.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const poolOf = (url: string, settings: Settings = {}) => createPool(configOf(settings, { databaseUrl: url }));

async function failureOf(url: string, text: string, settings: Settings = {}): Promise<RelayError> {
  const pool = poolOf(url, settings);
  try {
    await query(pool, 'trying', text);
  } catch (error) {
    if (error instanceof RelayError) return error;
    throw error;
  } finally {
    await pool.end();
  }
  throw new Error('the statement was not refused');
}

describe('a refusal of the server', () => {
  test.each([
    ['a table that is not there', 'select * from nobody', 'OUTBOX_TABLE_INVALID'],
    ['a column that is not there', 'select nobody from pg_class', 'OUTBOX_TABLE_INVALID'],
    ['a function that is not there', 'select nobody()', 'OUTBOX_TABLE_INVALID'],
    ['a schema that is not there', 'create table nobody.t (id int)', 'OUTBOX_TABLE_INVALID'],
    [
      'a right that is missing',
      'set session authorization pg_monitor; select * from pg_authid',
      'POSTGRES_UNAUTHORIZED',
    ],
    [
      'a statement that takes too long',
      'set statement_timeout = 50; select pg_sleep(5)',
      'POSTGRES_UNAVAILABLE',
    ],
    ['a serialisation failure', `do $$ begin raise sqlstate '40001'; end $$`, 'POSTGRES_UNAVAILABLE'],
    ['a server without room', `do $$ begin raise sqlstate '53100'; end $$`, 'POSTGRES_UNAVAILABLE'],
    ['a session that is ended', 'select pg_terminate_backend(pg_backend_pid())', 'POSTGRES_UNAVAILABLE'],
    ['a standby that only reads', `do $$ begin raise sqlstate '25006'; end $$`, 'POSTGRES_UNAVAILABLE'],
    ['a division by zero, which we never ask for', 'select 1/0', 'INTERNAL'],
  ])('for %s has its code', async (_, text, code) => {
    const failure = await failureOf(database.url, text);
    expect([failure.code, failure.message.startsWith('trying: ')]).toEqual([code, true]);
    expect(failure.cause).toBeInstanceOf(Error);
  });

  test('of the password or the database is told at once as what it is', async () => {
    const wrong = new URL(database.url);
    wrong.password = 'canary-4711';
    const failure = await failureOf(wrong.href, 'select 1');
    expect(failure.code).toBe('POSTGRES_UNAUTHORIZED');
    expect(failure.message).not.toContain('canary');
    const nowhere = new URL(database.url);
    nowhere.pathname = '/nobody_made_it';
    expect((await failureOf(nowhere.href, 'select 1')).code).toBe('POSTGRES_UNSUITABLE');
  });
});

describe('a server that is not there', () => {
  let silent: Server;
  let silentUrl: string;
  beforeAll(async () => {
    silent = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    silentUrl = `postgres://u:p@127.0.0.1:${(silent.address() as AddressInfo).port}/x`;
  });
  afterAll(() => silent.close());

  test('is unavailable: nobody listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    const failure = await failureOf(`postgres://u:p@localhost:${port}/x`, 'select 1');
    expect([failure.code, failure.context.sqlState]).toEqual(['POSTGRES_UNAVAILABLE', undefined]);
    expect(failure.message).not.toBe('trying: ');
  });

  test('is unavailable: it never answers', async () => {
    const failure = await failureOf(silentUrl, 'select 1', { DATABASE_CONNECT_TIMEOUT_MS: 200 });
    expect(failure.code).toBe('POSTGRES_UNAVAILABLE');
  });
});

test('an idle connection that breaks does not end the process, and the next query gets another', async () => {
  const pool = poolOf(database.url);
  const [row] = await query<{ pid: number }>(pool, 'trying', 'select pg_backend_pid() as pid');
  const broken = new Promise((resolve) => pool.once('remove', resolve));
  await database.pool.query('select pg_terminate_backend($1)', [row?.pid]);
  await broken;
  await query(pool, 'trying', 'select 1');
  await pool.end();
});

test('an error that is ours already stays as it is', () => {
  const error = new RelayError('SLOT_MISSING', 'gone');
  expect(postgresError(error, 'x')).toBe(error);
});

test('an SQLSTATE counts only from a server, not from a socket that has a code of five letters', () => {
  const socketError = Object.assign(new Error('broken'), { code: 'EPIPE' });
  expect(postgresError(socketError, 'x').code).toBe('POSTGRES_UNAVAILABLE');
});

test('a table name is quoted part by part', async () => {
  expect(quoteTable('outbox.event')).toBe('"outbox"."event"');
  expect(quoteTable('Shop."x')).toBe(`"Shop"."""x"`);
  expect(pg.escapeIdentifier('event')).toBe('"event"');
});

test('a connection that is lost between two statements of a transaction fails the next one, and not the process', async () => {
  const pool = poolOf(database.url);
  const client = await pool.connect();
  try {
    const [mine] = await query<{ pid: number }>(client, 'asking', 'select pg_backend_pid() as pid');
    await query(client, 'beginning', 'begin');
    const lost = new Promise((resolve) => client.once('end', resolve));
    await pool.query('select pg_terminate_backend($1)', [mine?.pid]);
    await lost;
    await expect(query(client, 'going on', 'commit')).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
  } finally {
    client.release(true);
    await pool.end();
  }
});
