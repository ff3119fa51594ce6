/** How a server is reached: IPv6, a Unix socket, a service, several hosts, TLS whose files change. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Capture } from '../../../../relay/capture/capture.ts';
import { readSystem } from '../../../../relay/capture/server-identity.ts';
import { openClient } from '../../../../relay/connect/postgres/client.ts';
import { createPool, cutConnections } from '../../../../relay/connect/postgres/pool.ts';
import { query, statement } from '../../../../relay/connect/postgres/statement.ts';
import type { RelayError } from '../../../../relay/errors.ts';
import { migrate } from '../../../../relay/operations/migrate/migrate.ts';
import { Authority } from '../../../../stack/certificates.ts';
import { type Postgres, startPostgres } from '../../../../stack/postgres.ts';
import { type Standby, startStandby } from '../../../../stack/postgres-copy.ts';
import { configOf } from '../../settings.ts';

const authority = new Authority('Authority');
const hasIPv6 = Object.values(networkInterfaces()).some((each) =>
  each?.some(({ address }) => address === '::1'),
);

let folder: string;
let server: Postgres;
let standby: Standby;
const files = { ca: '', cert: '', key: '' };

async function present(name: string): Promise<void> {
  const { certificate, key } = authority.issue({ name });
  await writeFile(files.cert, certificate);
  await writeFile(files.key, key);
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'reach-'));
  await chmod(folder, 0o777);
  for (const name of ['ca', 'cert', 'key'] as const) files[name] = path.join(folder, `${name}.pem`);
  await writeFile(files.ca, authority.certificate);
  server = await startPostgres({
    settings: {
      fsync: 'off',
      listen_addresses: hasIPv6 ? '127.0.0.1,::1' : '127.0.0.1',
      unix_socket_directories: folder,
    },
    tls: {
      identity: authority.issue({ name: 'server', addresses: ['127.0.0.1'] }),
      clientAuthority: authority.certificate,
    },
    access: [
      'hostssl all certified 127.0.0.1/32 cert map=any',
      'local all all scram-sha-256',
      'host all all 127.0.0.1/32 scram-sha-256',
      'host all all ::1/128 scram-sha-256',
      'host replication all 127.0.0.1/32 scram-sha-256',
    ],
  });
  standby = await startStandby(server, {
    settings: { fsync: 'off', unix_socket_directories: '', listen_addresses: '127.0.0.1' },
  });
}, 60_000);
afterAll(async () => {
  await standby?.stop({ mode: 'immediate' });
  await server?.stop({ mode: 'immediate' });
  await rm(folder, { recursive: true });
});

const reaching = (databaseUrl: string, settings = {}) => configOf(settings, { databaseUrl });

/** Through what each of the ways to connect reaches the server; past that, there is no slot for the stream. */
async function waysTo(url: string): Promise<string> {
  const config = reaching(url);
  const client = await openClient(config, 'test', 0);
  const text = `select coalesce(host(inet_server_addr()), 'a socket') as by, pg_is_in_recovery() as standby`;
  const { rows } = await client.query<{ by: string; standby: boolean }>(text);
  await client.end();
  await readSystem(config);
  await migrate({ databaseUrl: url, dryRun: true });
  const stream = await Capture.open(config).catch((error: RelayError) => error);
  expect(stream).toMatchObject({ code: expect.stringMatching(/^SLOT_/) });
  return `${rows[0]!.by}${rows[0]!.standby ? ', a standby' : ''}`;
}

const passwordOf = ({ url }: Postgres) => new URL(url).password;

describe('a server is reached', () => {
  test('by an IPv6 address', async ({ skip }) => {
    skip(!hasIPv6, 'this machine has no IPv6 loopback');
    expect(await waysTo(`postgres://postgres:${passwordOf(server)}@[::1]:${server.port}/postgres`)).toBe(
      '::1',
    );
  });

  test.each([
    [
      'in the parameter host',
      () =>
        `postgres:///postgres?host=${folder}&port=${server.port}&user=postgres&password=${passwordOf(server)}`,
    ],
    [
      'in the place of the host',
      () => `postgres://postgres:${passwordOf(server)}@${encodeURIComponent(folder)}:${server.port}/postgres`,
    ],
  ])('by the directory of a socket %s', async (_, url) => {
    expect(await waysTo(url())).toBe('a socket');
  });

  test('by a service, which may change', async () => {
    const file = path.join(folder, 'service.conf');
    const service = (host: string) =>
      writeFile(
        file,
        `[shop]\nhost=${host}\nport=${server.port}\nuser=postgres\npassword=${passwordOf(server)}\ndbname=postgres\n`,
      );
    await service(folder);
    process.env.PGSERVICEFILE = file;
    try {
      expect(await waysTo('postgres://?service=shop')).toBe('a socket');
      const pool = createPool(reaching('postgres://?service=shop'));
      try {
        const by = statement<{ by: string | null }>(
          'test.by',
          'asking',
          'select host(inet_server_addr()) as by',
        );
        expect((await query(pool, by))[0]?.by).toBeNull();
        await service('127.0.0.1');
        cutConnections(pool);
        await expect.poll(async () => (await query(pool, by))[0]?.by).toBe('127.0.0.1');
        // While somebody writes the file, the last good one counts.
        await writeFile(file, '[sho');
        cutConnections(pool);
        await expect.poll(() => pool.totalCount).toBe(0);
        expect((await query(pool, by))[0]?.by).toBe('127.0.0.1');
      } finally {
        await pool.end();
      }
    } finally {
      delete process.env.PGSERVICEFILE;
    }
  });
});

describe('of several hosts', () => {
  const both = (parameters = '') =>
    `postgres://postgres:${passwordOf(server)}@127.0.0.1:1,127.0.0.1:${standby.port},127.0.0.1:${server.port}/postgres${parameters}`;

  test.each(['', '?target_session_attrs=primary', '?target_session_attrs=read-write'])(
    'the primary is found, by whatever connects, with %j',
    async (parameters) => {
      expect(await waysTo(both(parameters))).toBe('127.0.0.1');
    },
  );

  test('any means the first that answers, but none streams from a standby', async () => {
    const config = reaching(both('?target_session_attrs=any'));
    const client = await openClient(config, 'test', 0);
    const { rows } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
    await client.end();
    expect(rows[0]?.standby).toBe(true);
    await expect(Capture.open(config)).rejects.toMatchObject({
      code: 'POSTGRES_READ_ONLY',
      message: 'the server is a standby',
    });
  });

  test('a single one that is a standby is refused where the URL wants a primary', async () => {
    const url = `postgres://postgres:${passwordOf(server)}@127.0.0.1:${standby.port}/postgres`;
    const failure = { code: 'POSTGRES_READ_ONLY', message: 'the server is a standby' };
    await expect(
      openClient(reaching(`${url}?target_session_attrs=primary`), 'test', 0),
    ).rejects.toMatchObject(failure);
    await expect(Capture.open(reaching(url))).rejects.toMatchObject(failure);
  });

  test('none is right: one message says what each said, and no password', async () => {
    const config = reaching(
      `postgres://postgres:${passwordOf(server)}@127.0.0.1:1,127.0.0.1:${standby.port}/postgres`,
    );
    const said = [
      `127.0.0.1:1: connecting: connect ECONNREFUSED 127.0.0.1:1`,
      `127.0.0.1:${standby.port}: the server is a standby`,
    ];
    const failure = {
      code: 'POSTGRES_UNAVAILABLE',
      message: `none of the 2 hosts of database.url is a primary that the relay can use: ${said.join('; ')}`,
    };
    await expect(openClient(config, 'test', 0)).rejects.toMatchObject(failure);
    await expect(Capture.open(config)).rejects.toMatchObject(failure);
    const pool = createPool(config);
    await expect(query(pool, statement('test.any', 'trying', 'select 1'))).rejects.toMatchObject(failure);
    await pool.end();
  });

  test('a password that all of them refuse is said once, as what it is', async () => {
    const config = reaching(both().replace(passwordOf(server), 'canary').replace('127.0.0.1:1,', ''));
    const failure = await openClient(config, 'test', 0).catch((error: RelayError) => error);
    expect(failure).toMatchObject({ code: 'POSTGRES_UNAUTHORIZED' });
    expect((failure as RelayError).message).not.toContain('canary');
  });
});

test('a client certificate that is renewed counts for the next connection of each kind', async () => {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query('create role certified login replication');
  await client.end();
  await writeFile(path.join(server.dataDir, 'pg_ident.conf'), 'any /^.*$ certified\n');
  server.kill('SIGHUP');
  await present('first');
  const url = new URL(`postgres://certified@127.0.0.1:${server.port}/postgres?sslmode=verify-full`);
  for (const [name, file] of [
    ['sslrootcert', files.ca],
    ['sslcert', files.cert],
    ['sslkey', files.key],
  ] as const)
    url.searchParams.set(name, file);
  const config = reaching(url.href);
  const pool = createPool(config);
  const own = 'select client_dn from pg_stat_ssl where pid = pg_backend_pid()';
  const names = async () => {
    const pooled = await pool.connect();
    const { rows } = await pooled.query<{ client_dn: string }>(own);
    pooled.release(true);
    const opened = await openClient(config, 'test', 0);
    const { rows: ofOpened } = await opened.query<{ client_dn: string }>(own);
    await opened.end();
    await readSystem(config);
    expect(await Capture.open(config).catch((error: RelayError) => error)).toMatchObject({
      code: expect.stringMatching(/^SLOT_/),
    });
    return [...rows, ...ofOpened].map(({ client_dn }) => client_dn);
  };
  try {
    await expect.poll(names).toEqual(['/CN=first', '/CN=first']);
    await present('second');
    expect(await names()).toEqual(['/CN=second', '/CN=second']);
    // Half of it is written.
    await writeFile(files.key, '-----BEGIN PRIVATE');
    expect(await names()).toEqual(['/CN=second', '/CN=second']);
    await present('third');
    expect(await names()).toEqual(['/CN=third', '/CN=third']);
  } finally {
    await pool.end();
  }
});
