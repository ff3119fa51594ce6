import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientConfig, createClient } from '../../../../relay/connect/postgres/client.ts';
import { createPool } from '../../../../relay/connect/postgres/pool.ts';
import { createReplicationClient } from '../../../../relay/connect/postgres/replication-client.ts';
import { SessionClient } from '../../../../relay/connect/postgres/session-client.ts';
import { query, statement } from '../../../../relay/connect/postgres/statement.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { unique } from '../../../support/unique.ts';
import { configOf } from '../../settings.ts';

/** Each with a value that hurts whoever takes it over. */
const hostile = {
  search_path: 'public',
  row_security: 'on',
  statement_timeout: '3h',
  lock_timeout: '3h',
  idle_in_transaction_session_timeout: '3h',
  idle_session_timeout: '3h',
  datestyle: 'German',
  timezone: 'Asia/Kathmandu',
  intervalstyle: 'iso_8601',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  client_encoding: 'LATIN1',
  standard_conforming_strings: 'off',
  array_nulls: 'off',
  transform_null_equals: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  synchronous_commit: 'off',
} as const;

const wanted = {
  search_path: 'pg_catalog,pg_temp',
  row_security: 'off',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  client_encoding: 'UTF8',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  transform_null_equals: 'off',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  synchronous_commit: 'local',
};

describe('every connection', () => {
  let database: TestDatabase;
  const role = unique('role').replaceAll('-', '_');
  let url: string;
  beforeAll(async () => {
    database = await createDatabase();
    const { pool } = database;
    await pool.query(`create role ${role} login replication password 'x'`);
    const { rows } = await pool.query<{ version: number }>(
      `select current_setting('server_version_num')::int as version`,
    );
    const known = { ...hostile, ...(rows[0]!.version >= 170_000 ? { transaction_timeout: '3h' } : {}) };
    for (const [name, value] of Object.entries(known)) {
      await pool.query(`alter role ${role} set ${name} = '${value}'`);
      await pool.query(`alter database ${database.name} set ${name} = '${value}'`);
    }
    const own = new URL(database.url);
    own.username = role;
    own.password = 'x';
    url = own.href;
  });
  afterAll(async () => {
    await database.drop();
    const other = new URL(database.url);
    other.pathname = '/postgres';
    const client = new pg.Client({ connectionString: other.href });
    await client.connect();
    await client.query(`drop role ${role}`);
    await client.end();
  });

  const kinds = {
    'of the pool': (of: string) => createPool(configOf({}, { databaseUrl: of })),
    'of its own': (of: string) => createClient(configOf({}, { databaseUrl: of }), 'own', 0),
    'for the replication protocol': (of: string) =>
      createReplicationClient(configOf({}, { databaseUrl: of })),
  };

  async function settingsOf(kind: keyof typeof kinds, given: string): Promise<Record<string, string>> {
    const client = kinds[kind](given);
    if (client instanceof pg.Client) await client.connect();
    try {
      const rows = await query(
        client,
        statement<{ name: string; setting: string }>(
          'test.any',
          'reading settings',
          'select name, setting from pg_catalog.pg_settings',
        ),
      );
      return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
    } finally {
      await client.end();
    }
  }

  test.each(Object.keys(kinds) as (keyof typeof kinds)[])(
    '%s has its own settings, whatever role, database and URL set',
    async (kind) => {
      const given = new URL(url);
      given.searchParams.set('options', '-c search_path=public -c work_mem=8MB -c synchronous_commit=off');
      given.searchParams.set('statement_timeout', '7200000');
      given.searchParams.set('lock_timeout', '7200000');
      given.searchParams.set('idle_in_transaction_session_timeout', '7200000');
      for (const of of [url, given.href]) {
        const found = await settingsOf(kind, of);
        const limit = kind === 'of the pool' ? '15000' : '0';
        expect(found).toMatchObject({ ...wanted, statement_timeout: limit });
        expect(found.transaction_timeout ?? '0').toBe('0');
        if (of === given.href) expect(found.work_mem).toBe('8192');
      }
    },
  );

  test('that the server ended says why, to whoever uses it next', async () => {
    const client = createClient(configOf({}, { databaseUrl: url }), 'own', 0);
    await client.connect();
    const ended = new Promise((resolve) => client.once('end', resolve));
    await client.query(`set idle_session_timeout = '20ms'`);
    await ended;
    await expect(query(client, statement('test.any', 'going on', 'select 1'))).rejects.toMatchObject({
      code: 'POSTGRES_UNAVAILABLE',
      message: 'going on: terminating connection due to idle-session timeout (SQLSTATE 57P05)',
      context: { sqlState: '57P05' },
    });
    await client.end();
  });
});

test('a connection on which the settings do not arrive, as behind a pooler that drops them, is refused', async () => {
  const database = await createDatabase();
  try {
    const { options: _, ...config } = clientConfig(configOf({}, { databaseUrl: database.url }));
    await expect(new SessionClient(config).connect()).rejects.toMatchObject({
      code: 'POSTGRES_UNSUITABLE',
      class: 'stop',
      message: expect.stringContaining('did not reach Postgres; PgBouncer, or a pooler like it, answers'),
    });
  } finally {
    await database.drop();
  }
});
