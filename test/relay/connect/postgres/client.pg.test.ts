import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Settings } from '../../../../harness/relay-process.ts';
import { readSystem } from '../../../../relay/capture/server-identity.ts';
import { openClient } from '../../../../relay/connect/postgres/client.ts';
import { postgresError } from '../../../../relay/connect/postgres/errors.ts';
import { createPool } from '../../../../relay/connect/postgres/pool.ts';
import { quoteTable } from '../../../../relay/connect/postgres/quoting.ts';
import { query, statement } from '../../../../relay/connect/postgres/statement.ts';
import { asRelayError, RelayError } from '../../../../relay/errors.ts';
import { migrate } from '../../../../relay/operations/migrate/migrate.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { configOf } from '../../settings.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const poolOf = (url: string, settings: Settings = {}) => createPool(configOf(settings, { databaseUrl: url }));

async function failureOf(url: string, text: string, settings: Settings = {}): Promise<RelayError> {
  const pool = poolOf(url, settings);
  try {
    await query(pool, statement('test.any', 'trying', text));
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
    ['a standby that only reads', `do $$ begin raise sqlstate '25006'; end $$`, 'POSTGRES_READ_ONLY'],
    ['a text over 1 GB', "select repeat('x', 1100000000)", 'POSTGRES_LIMIT_EXCEEDED'],
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
    expect((await failureOf(nowhere.href, 'select 1')).code).toBe('DATABASE_MISSING');
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
    expect(failure.message).toMatch(
      new RegExp(`^connecting to Postgres at localhost:${port}, database x: .*ECONNREFUSED`),
    );
  });

  test('is unavailable: it never answers', async () => {
    const failure = await failureOf(silentUrl, 'select 1', { DATABASE_CONNECT_TIMEOUT_MS: 200 });
    const { host } = new URL(silentUrl);
    expect(failure).toMatchObject({
      code: 'POSTGRES_UNAVAILABLE',
      message: `connecting to Postgres at ${host}, database x: timeout expired`,
    });
  });
});

test('an idle connection that breaks does not end the process, and the next query gets another', async () => {
  const pool = poolOf(database.url);
  const [row] = await query(
    pool,
    statement<{ pid: number }>('test.any', 'trying', 'select pg_backend_pid() as pid'),
  );
  const broken = new Promise((resolve) => pool.once('remove', resolve));
  await database.pool.query('select pg_terminate_backend($1)', [row?.pid]);
  await broken;
  await query(pool, statement('test.any', 'trying', 'select 1'));
  await pool.end();
});

test('the name of a statement is in its text and in its failure, and names no prepared statement', async () => {
  const pool = poolOf(database.url);
  const read = statement<{ query: string; prepared: string }>(
    'test.read_own_query',
    'reading the query',
    `select query, (select count(*) from pg_prepared_statements) as prepared
       from pg_stat_activity where pid = pg_backend_pid() and $1`,
  );
  await query(pool, read, [true]);
  const [own] = await query(pool, read, [true]);
  expect([own?.query.startsWith('/* test.read_own_query */ select query'), own?.prepared]).toEqual([
    true,
    '0',
  ]);
  const failure = await query(pool, statement('test.divide', 'dividing', 'select 1 / 0')).catch(asRelayError);
  expect(failure).toMatchObject({
    message: 'dividing: division by zero',
    context: { statement: 'test.divide', sqlState: '22012' },
  });
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
    const [mine] = await query(
      client,
      statement<{ pid: number }>('test.any', 'asking', 'select pg_backend_pid() as pid'),
    );
    await query(client, statement('test.any', 'beginning', 'begin'));
    const lost = new Promise((resolve) => client.once('end', resolve));
    await pool.query('select pg_terminate_backend($1)', [mine?.pid]);
    await lost;
    await expect(query(client, statement('test.any', 'going on', 'commit'))).rejects.toMatchObject({
      code: 'POSTGRES_UNAVAILABLE',
    });
  } finally {
    client.release(true);
    await pool.end();
  }
});

/**
 * Answers as PgBouncer 1.18 did, recorded from one: it refuses a startup parameter that it does not know. Whatever has none
 * of these it passes on to the server.
 */
async function standInForPooler(refused: RegExp): Promise<Server> {
  const { hostname, port } = new URL(database.url);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (startup) => {
      const parameter = refused.exec(startup.toString('latin1'))?.[0];
      if (parameter === undefined) {
        const upstream = connect(Number(port), hostname).on('error', () => socket.destroy());
        upstream.write(startup);
        socket.pipe(upstream).pipe(socket);
        socket.on('close', () => upstream.destroy());
        return;
      }
      const body = `SFATAL\0C08P01\0Munsupported startup parameter: ${parameter}\0\0`;
      const length = Buffer.alloc(4);
      length.writeInt32BE(4 + body.length);
      socket.end(Buffer.concat([Buffer.from('E'), length, Buffer.from(body)]));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describe('a connection pooler', () => {
  const refused = {
    code: 'POSTGRES_UNSUITABLE',
    class: 'stop',
    message: expect.stringMatching(
      /unsupported startup parameter: \w+; PgBouncer, or a pooler like it, answers/,
    ),
  };
  const through = (server: Server) => {
    const url = new URL(database.url);
    url.port = String((server.address() as AddressInfo).port);
    return url.href;
  };

  test('that refuses what every connection asks for is told as one, whoever connects', async () => {
    const server = await standInForPooler(/application_name|statement_timeout|options/);
    try {
      const config = configOf({}, { databaseUrl: through(server) });
      expect(await failureOf(config.database.url, 'select 1')).toMatchObject(refused);
      await expect(openClient(config, 'trying', 0)).rejects.toMatchObject(refused);
      await expect(readSystem(config)).rejects.toMatchObject(refused);
      await expect(migrate({ databaseUrl: config.database.url })).rejects.toMatchObject(refused);
    } finally {
      server.close();
    }
  });

  test('that refuses replication alone is told as one where the relay streams', async () => {
    const server = await standInForPooler(/replication/);
    try {
      const config = configOf({}, { databaseUrl: through(server) });
      const pool = poolOf(config.database.url);
      await query(pool, statement('test.any', 'trying', 'select 1'));
      await pool.end();
      await expect(readSystem(config)).rejects.toMatchObject(refused);
    } finally {
      server.close();
    }
  });

  test('is not what Postgres itself answers a violation of the protocol with', () => {
    const violation = Object.assign(new pg.DatabaseError('bad message', 1, 'error'), {
      code: '08P01',
      severity: 'FATAL',
      routine: 'ProcessStartupPacket',
    });
    expect(postgresError(violation, 'x').code).toBe('POSTGRES_UNAVAILABLE');
  });
});
