/** A password that changes under a relay: on a real server, with files and commands as people have them. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Capture } from '../../../../relay/capture/capture.ts';
import { readSystem } from '../../../../relay/capture/server-identity.ts';
import { openClient } from '../../../../relay/connect/postgres/client.ts';
import { createPool } from '../../../../relay/connect/postgres/pool.ts';
import type { RelayError } from '../../../../relay/errors.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { unique } from '../../../support/unique.ts';
import { configOf } from '../../settings.ts';

let database: TestDatabase;
let folder: string;
let url: string;
const role = unique('role').replaceAll('-', '_');
const file = () => path.join(folder, 'password');

beforeAll(async () => {
  database = await createDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'password-'));
  await database.pool.query(`create role ${role} login replication password 'first'`);
  const without = new URL(database.url);
  [without.username, without.password] = [role, ''];
  url = without.href;
});
afterAll(async () => {
  await database.pool.query(`drop role ${role}`);
  await database.drop();
  await rm(folder, { recursive: true });
});

const config = (settings: Record<string, string | number>) =>
  configOf({ SLOT: role, ...settings }, { databaseUrl: url });

async function outcome(settings: Record<string, string | number>): Promise<string> {
  try {
    const client = await openClient(config(settings), 'test', 0);
    await client.end();
    return 'connected';
  } catch (error) {
    const { code, message } = error as RelayError;
    return `${code}: ${message}`;
  }
}

describe('a password', () => {
  test.each([
    ['file', () => ({ DATABASE_PASSWORD_FILE: file() })],
    ['command', () => ({ DATABASE_PASSWORD_COMMAND: `cat,${file()}` })],
  ])('of a %s that changes counts for the next connection of each kind', async (_, settings) => {
    const running = config(settings());
    const pool = createPool(running);
    for (const word of ['second', 'third']) {
      await writeFile(file(), `${word}\n`);
      await database.pool.query(`alter role ${role} password '${word}'`);
      // A new connection of a pool that was there before.
      (await pool.connect()).release(true);
      await (await openClient(running, 'test', 0)).end();
      await readSystem(running);
      // The connection of the stream is the library's own: past the password, there is no slot for it.
      const stream = await Capture.open(running).catch((error: RelayError) => error);
      expect(stream).toMatchObject({ code: expect.stringMatching(/^SLOT_/) });
    }
    await pool.end();
    await database.pool.query(`alter role ${role} password 'changed'`);
    // Who was never accepted has a wrong password; for who was, the new one may come late.
    expect(await outcome(settings())).toMatch(/^POSTGRES_UNAUTHORIZED/);
    const late = { code: 'CREDENTIALS_UNAVAILABLE', class: 'retry' };
    await expect(openClient(running, 'test', 0)).rejects.toMatchObject(late);
    await expect(Capture.open(running)).rejects.toMatchObject(late);
    await expect(readSystem(running)).rejects.toMatchObject(late);
    await writeFile(file(), 'changed');
    expect(await Capture.open(running).catch((error: RelayError) => error.code)).toMatch(/^SLOT_/);
    await (await openClient(running, 'test', 0)).end();
  });

  test('of libpq’s password file is used, where nothing else is set', async () => {
    await database.pool.query(`alter role ${role} password 'of:file'`);
    await writeFile(file(), `*:*:*:${role}:of\\:file\n`);
    await chmod(file(), 0o600);
    process.env.PGPASSFILE = file();
    try {
      expect(await outcome({})).toBe('connected');
      await writeFile(file(), '');
      expect(await outcome({})).toMatch(
        /^POSTGRES_UNAUTHORIZED: .* asks for the password of .*, and there is none/,
      );
    } finally {
      delete process.env.PGPASSFILE;
    }
  });

  test.each([
    [{ DATABASE_PASSWORD_FILE: '/nonexistent' }, /^CREDENTIALS_UNAVAILABLE: .*ENOENT/],
    [{ DATABASE_PASSWORD_FILE: '/dev/null' }, /^CREDENTIALS_UNAVAILABLE: .* is empty$/],
    [{ DATABASE_PASSWORD_COMMAND: 'no-such-program' }, /^CONFIG_INVALID: .* cannot be started: ENOENT$/],
    [{ DATABASE_PASSWORD_COMMAND: 'true' }, /^CREDENTIALS_UNAVAILABLE: .* printed nothing$/],
    [
      { DATABASE_PASSWORD_COMMAND: 'sh,-c,echo canary; echo canary >&2; exit 3' },
      /^CREDENTIALS_UNAVAILABLE: the command sh of database.passwordCommand ended with exit code 3; run it by hand to see what it says$/,
    ],
    [{ DATABASE_PASSWORD_COMMAND: 'yes,canary' }, /^CREDENTIALS_UNAVAILABLE: .* printed more than 64 KB$/],
    [
      { DATABASE_PASSWORD_COMMAND: 'sleep,60', DATABASE_CONNECT_TIMEOUT_MS: 5_000 },
      /^CREDENTIALS_UNAVAILABLE: .* printed no password within 4000 ms$/,
    ],
  ])('that cannot be had, with %o, says why and nothing of what was printed', async (settings, said) => {
    const message = await outcome(settings);
    expect(message).toMatch(said);
    expect(message).not.toContain('canary');
  });
});
