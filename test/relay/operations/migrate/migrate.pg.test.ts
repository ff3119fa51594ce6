import { appendFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { migrate } from '../../../../relay/operations/migrate/migrate.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { unique } from '../../../support/unique.ts';

const releaseDirectory = fileURLToPath(new URL('../../../../migrations/', import.meta.url));
const releaseNumbers = (await readdir(releaseDirectory))
  .flatMap((file) => /^\d{4}_/.exec(file) ?? [])
  .map((prefix) => Number.parseInt(prefix, 10))
  .toSorted((a, b) => a - b);
/** Of the next release. */
const nextNumber = releaseNumbers.at(-1)! + 1;
const nextPrefix = String(nextNumber).padStart(4, '0');

let database: TestDatabase;
let client: pg.Client;
let directory: string;

beforeEach(async () => {
  database = await createDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  directory = await mkdtemp(join(tmpdir(), 'outbox-migrations-'));
  await cp(releaseDirectory, directory, { recursive: true });
});
afterEach(async () => {
  await client?.end();
  await database?.drop();
  await rm(directory, { recursive: true, force: true });
});

const numbers = (migrations: readonly { number: number }[]) =>
  migrations.map((migration) => migration.number);

async function recorded(): Promise<number[]> {
  const { rows } = await client.query<{ number: number }>(
    'select number from outbox.migration order by number',
  );
  return numbers(rows);
}

async function schemaExists(): Promise<boolean> {
  const { rows } = await client.query(`select to_regnamespace('outbox') is not null as exists`);
  return rows[0]?.exists;
}

test('a fresh database gets every migration once, and a second run finds nothing to do', async () => {
  const seen: number[] = [];
  const first = await migrate({
    databaseUrl: database.url,
    onProgress: (migration, elapsedMs) => {
      expect(elapsedMs).toBeGreaterThan(0);
      seen.push(migration.number);
    },
  });
  expect(numbers(first.applied)).toEqual(releaseNumbers);
  expect(first.applied[0]).toEqual({
    number: 1,
    name: 'event',
    checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect(seen).toEqual(releaseNumbers);
  expect(await recorded()).toEqual(releaseNumbers);
  const second = await migrate({ databaseUrl: database.url });
  expect([numbers(second.applied), second.pending, numbers(second.already)]).toEqual([
    [],
    [],
    releaseNumbers,
  ]);
});

test('twenty runs at once apply each migration once', async () => {
  const results = await Promise.all(Array.from({ length: 20 }, () => migrate({ databaseUrl: database.url })));
  // Each is the turn of whoever comes first.
  const applied = results.flatMap((result) => numbers(result.applied));
  expect(applied.toSorted((a, b) => a - b)).toEqual(releaseNumbers);
  for (const { applied, already } of results)
    expect(numbers([...applied, ...already]).toSorted((a, b) => a - b)).toEqual(releaseNumbers);
  expect(await recorded()).toEqual(releaseNumbers);
});

test('migrations alone let nobody but the owner call a function of the schema', async () => {
  await migrate({ databaseUrl: database.url });
  const { rows } = await client.query(
    `select proname from pg_proc where pronamespace = 'outbox'::regnamespace
     and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee = 0)`,
  );
  expect(rows).toEqual([]);
});

test('a dry run says what would run and changes nothing', async () => {
  const result = await migrate({ databaseUrl: database.url, dryRun: true });
  expect([result.applied, numbers(result.pending), result.already]).toEqual([[], releaseNumbers, []]);
  expect(await schemaExists()).toBe(false);
});

test('a dry run with a target names what would run up to it', async () => {
  await migrate({ databaseUrl: database.url, to: 1 });
  const result = await migrate({ databaseUrl: database.url, dryRun: true, to: 3 });
  expect(numbers(result.pending)).toEqual([2, 3]);
  expect(await recorded()).toEqual([1]);
});

test('a target stops there, and the rest can follow', async () => {
  const result = await migrate({ databaseUrl: database.url, to: 2 });
  expect([numbers(result.applied), numbers(result.pending)]).toEqual([[1, 2], releaseNumbers.slice(2)]);
  expect(numbers((await migrate({ databaseUrl: database.url })).applied)).toEqual(releaseNumbers.slice(2));
});

test('a target that names no migration is refused before any change', async () => {
  await expect(migrate({ databaseUrl: database.url, to: 99 })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  });
  expect(await schemaExists()).toBe(false);
});

test('a file that changed after it was applied is a conflict, and nothing more is applied', async () => {
  await migrate({ databaseUrl: database.url, directory, to: 2 });
  await appendFile(join(directory, '0001_event.sql'), '-- changed\n');
  await expect(migrate({ databaseUrl: database.url, directory })).rejects.toMatchObject({
    code: 'MIGRATION_CONFLICT',
    context: { number: 1 },
  });
  expect(await recorded()).toEqual([1, 2]);
});

test('a dry run finds a conflict too', async () => {
  await migrate({ databaseUrl: database.url, directory, to: 1 });
  await appendFile(join(directory, '0001_event.sql'), '-- changed\n');
  await expect(migrate({ databaseUrl: database.url, directory, dryRun: true })).rejects.toMatchObject({
    code: 'MIGRATION_CONFLICT',
  });
});

test('a migration from a newer release is a conflict', async () => {
  await writeFile(join(directory, `${nextPrefix}_newer.sql`), 'create table outbox.newer ();');
  await migrate({ databaseUrl: database.url, directory });
  await expect(migrate({ databaseUrl: database.url })).rejects.toMatchObject({
    code: 'MIGRATION_CONFLICT',
    message: expect.stringContaining(`${nextPrefix} newer`),
  });
});

test('objects that another tool made are a conflict', async () => {
  await client.query('create schema outbox; create table outbox.event ()');
  await expect(migrate({ databaseUrl: database.url })).rejects.toMatchObject({
    code: 'MIGRATION_CONFLICT',
    message: expect.stringMatching(
      /^0001 event failed: relation "event" already exists; .* did not create it/,
    ),
  });
});

test('a migration that fails leaves nothing of itself, and those before it stay', async () => {
  await writeFile(join(directory, `${nextPrefix}_broken.sql`), 'create table outbox.half (); select 1 / 0;');
  await expect(migrate({ databaseUrl: database.url, directory })).rejects.toMatchObject({
    code: 'MIGRATION_CONFLICT',
    message: `${nextPrefix} broken failed: division by zero`,
    cause: { code: '22012' },
  });
  expect(await recorded()).toEqual(releaseNumbers);
  expect((await client.query(`select to_regclass('outbox.half') as half`)).rows).toEqual([{ half: null }]);
});

test('a migration that cannot be recorded is not applied', async () => {
  const unrecordable = `create table outbox.half (); alter table outbox.migration add check (number < ${nextNumber});`;
  await writeFile(join(directory, `${nextPrefix}_unrecordable.sql`), unrecordable);
  await expect(migrate({ databaseUrl: database.url, directory })).rejects.toMatchObject({
    cause: { code: '23514' },
  });
  expect((await client.query(`select to_regclass('outbox.half') as half`)).rows).toEqual([{ half: null }]);
});

test('a role that may not create in the database is told so', async () => {
  const role = unique('migrate_test');
  await client.query(`create role ${role} login password 'secret'`);
  try {
    const url = new URL(database.url);
    url.username = role;
    url.password = 'secret';
    await expect(migrate({ databaseUrl: url.href })).rejects.toMatchObject({
      code: 'POSTGRES_UNAUTHORIZED',
      cause: { code: '42501' },
    });
  } finally {
    await client.query(`drop role ${role}`);
  }
});

test('a role that does not exist is not authorised', async () => {
  const url = new URL(database.url);
  url.username = 'nobody_of_this_name';
  await expect(migrate({ databaseUrl: url.href })).rejects.toMatchObject({ code: 'POSTGRES_UNAUTHORIZED' });
});

test('a server that does not answer is unavailable', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  const port = typeof address === 'object' ? address?.port : undefined;
  await expect(migrate({ databaseUrl: `postgres://nobody@127.0.0.1:${port}/none` })).rejects.toMatchObject({
    code: 'POSTGRES_UNAVAILABLE',
    cause: { code: 'ECONNREFUSED' },
  });
});

test('a database that does not exist is missing', async () => {
  const url = new URL(database.url);
  url.pathname = '/no_such_database';
  await expect(migrate({ databaseUrl: url.href })).rejects.toMatchObject({ code: 'DATABASE_MISSING' });
});

test('a server without TLS is refused where TLS is asked for', async () => {
  const url = new URL(database.url);
  url.searchParams.set('sslmode', 'require');
  await expect(migrate({ databaseUrl: url.href })).rejects.toMatchObject({ code: 'TLS_REFUSED' });
});

test('a file of certificates that cannot be read is a wrong setting, not an outage', async () => {
  const url = new URL(database.url);
  url.searchParams.set('sslmode', 'verify-full');
  url.searchParams.set('sslrootcert', join(directory, 'no-such-file.pem'));
  await expect(migrate({ databaseUrl: url.href })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('no-such-file.pem'),
  });
});

describe('a lock that somebody holds', () => {
  const waits = { turnMs: 200, lockMs: 100 };
  const held = async (statement: string, work: () => Promise<void>) => {
    await client.query(`set application_name = 'a long report'; begin; ${statement}`);
    await work();
    await client.query('rollback');
  };
  const refusal = (pattern: RegExp) =>
    expect(migrate({ databaseUrl: database.url, waits })).rejects.toMatchObject({
      code: 'POSTGRES_UNAVAILABLE',
      message: expect.stringMatching(pattern),
    });

  test('ends the run, which names the holder, and what was not applied can be applied later', async () => {
    await migrate({ databaseUrl: database.url, to: 6 });
    await held('lock table outbox.migration', () =>
      refusal(
        /^outbox\.migration was not free within 200 ms: process \d+ of role \S+ \(a long report\) holds/,
      ),
    );
    await held('select from outbox.progress', () =>
      refusal(
        /^0009 parked_keys needs a lock .* within 100 ms: process \d+ .*outbox\.progress AccessShareLock/,
      ),
    );
    expect(await recorded()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(numbers((await migrate({ databaseUrl: database.url })).applied)).toEqual(releaseNumbers.slice(8));
  });
});

describe('a schema that was made beforehand', () => {
  let stranger: string;
  beforeEach(async () => {
    stranger = unique('migrate_test');
    await client.query(`create role ${stranger}`);
  });
  afterEach(() => client.query(`drop owned by ${stranger} cascade; drop role ${stranger}`));

  const refused = (what: string, options: { dryRun?: boolean } = {}) =>
    expect(migrate({ databaseUrl: database.url, ...options })).rejects.toMatchObject({
      code: 'MIGRATION_CONFLICT',
      message: expect.stringContaining(`${what} of role ${stranger}`),
    });

  test('by another role is refused, before anything is made', async () => {
    await client.query(`create schema outbox authorization ${stranger}`);
    await refused('the schema');
    await refused('the schema', { dryRun: true });
    expect((await client.query(`select to_regclass('outbox.migration') as made`)).rows).toEqual([
      { made: null },
    ]);
  });

  test.each([
    [
      'a function',
      'function emit',
      'create function outbox.emit() returns int language sql as $$ select 1 $$',
    ],
    ['a table', 'relation migration', 'create table outbox.migration (number int, name text, checksum text)'],
    ['a type', 'type mood', `create type outbox.mood as enum ('good')`],
  ])('with %s of another role in it is refused', async (_, what, statement) => {
    await client.query(
      `create schema outbox; grant usage, create on schema outbox to ${stranger}; set role ${stranger}; ${statement};
       reset role; revoke create on schema outbox from ${stranger}`,
    );
    await refused(what);
  });

  test('in which another role may create is refused, and accepted once that is revoked', async () => {
    await client.query(`create schema outbox; grant create on schema outbox to ${stranger}`);
    await refused('the right to create in the schema');
    await client.query(`revoke create on schema outbox from ${stranger}`);
    expect(numbers((await migrate({ databaseUrl: database.url })).applied)).toEqual(releaseNumbers);
  });

  test('by a group that the role is a member of is its own', async () => {
    const deployer = unique('migrate_deploy');
    await client.query(
      `create schema outbox authorization ${stranger};
       create role ${deployer} login password 'secret' in role ${stranger};
       grant create on database ${database.name} to ${stranger}`,
    );
    const url = new URL(database.url);
    [url.username, url.password] = [deployer, 'secret'];
    try {
      expect(numbers((await migrate({ databaseUrl: url.href, to: 4 })).applied)).toEqual([1, 2, 3, 4]);
    } finally {
      await client.query(`drop owned by ${deployer} cascade; drop role ${deployer}`);
    }
  });
});

test.each(['LATIN1', 'WIN1252', 'SQL_ASCII'])(
  'a database in %s takes the migrations and the roles',
  async (encoding) => {
    const name = unique('migrate_encoding');
    const { rows } = await client.query<{ version: number }>(
      `select current_setting('server_version_num')::int as version`,
    );
    // The template's own may be one that has UTF-8 alone.
    const provider = rows[0]!.version >= 150_000 ? 'locale_provider libc' : '';
    await client.query(
      `create database ${name} encoding '${encoding}' template template0 lc_collate 'C' lc_ctype 'C' ${provider}`,
    );
    const url = new URL(database.url);
    url.pathname = `/${name}`;
    try {
      expect(numbers((await migrate({ databaseUrl: url.href })).applied)).toEqual(releaseNumbers);
      const own = new pg.Client({ connectionString: url.href });
      await own.connect();
      await own.query(await readFile(join(releaseDirectory, 'roles.sql'), 'utf8'));
      await own.end();
    } finally {
      await client.query(`drop database ${name} with (force)`);
    }
  },
);

test('every file of the migrations is ASCII, which every encoding has', async () => {
  for (const file of await readdir(releaseDirectory)) {
    const text = await readFile(join(releaseDirectory, file), 'latin1');
    expect(/[^\n\x20-\x7e]/.exec(text)?.[0], file).toBeUndefined();
  }
});
