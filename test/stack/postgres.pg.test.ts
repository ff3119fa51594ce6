import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test, vi } from 'vitest';
import { startPostgres } from '../../stack/postgres.ts';
import { query } from './query.ts';

const settings = { fsync: 'off' };

async function connects(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

test('Postgres starts ready for logical replication, in UTC and UTF-8', async () => {
  await using postgres = await startPostgres({ settings });
  const rows = await query(
    postgres.url,
    "select current_setting('wal_level'), current_setting('timezone'), current_setting('server_encoding')",
  );
  expect(rows).toEqual([['logical', 'UTC', 'UTF8']]);
});

test('Postgres refuses a wrong password', async () => {
  await using postgres = await startPostgres({ settings });
  const url = new URL(postgres.url);
  url.password = 'wrong';
  await expect(query(url.href, 'select 1')).rejects.toMatchObject({ code: '28P01' });
});

test('Postgres keeps what was committed over an immediate restart on the same port', async () => {
  await using postgres = await startPostgres({ settings });
  await query(postgres.url, 'create table kept as select 42 as answer');
  const before = postgres.pid;
  await postgres.restart({ mode: 'immediate' });
  expect(postgres.pid).not.toBe(before);
  expect(await query(postgres.url, 'select answer from kept')).toEqual([[42]]);
});

test('Postgres leaves no process and no folder when it is stopped', async () => {
  const postgres = await startPostgres({ settings });
  expect(existsSync(postgres.dataDir)).toBe(true);
  await postgres.stop();
  expect(await connects(postgres.port)).toBe(false);
  expect(existsSync(path.dirname(postgres.dataDir))).toBe(false);
});

test('a stopped process of Postgres can still be ended', async () => {
  const postgres = await startPostgres({ settings });
  postgres.kill('SIGSTOP');
  await postgres.stop();
  expect(await connects(postgres.port)).toBe(false);
});

test('Postgres that does not start says why', async () => {
  const start = startPostgres({ settings: { ...settings, wal_level: 'sideways' } });
  await expect(start).rejects.toThrow(/invalid value for parameter "wal_level"/);
});

test.for([
  ['is killed with SIGKILL', 'SIGKILL'],
  ['is ended with SIGINT', 'SIGINT'],
  ['ends without stopping it', undefined],
] as const)('Postgres and its folder are gone when the process that started it %s', async ([, signal]) => {
  const program = path.join(import.meta.dirname, 'start-postgres.ts');
  const args = signal === undefined ? [program] : [program, 'stay'];
  const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(parent, 'exit');
  const [line] = await once(createInterface(parent.stdout), 'line');
  const { port, dataDir }: { port: number; dataDir: string } = JSON.parse(line);
  if (signal !== undefined) parent.kill(signal);
  await ended;
  await vi.waitUntil(async () => !(await connects(port)), { timeout: 30_000, interval: 20 });
  await vi.waitUntil(() => !existsSync(path.dirname(dataDir)), { timeout: 30_000, interval: 20 });
});
