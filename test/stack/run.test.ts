import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cacheFolder } from '../../stack/cache.ts';
import { openRun, untilReady } from '../../stack/run.ts';

test('a run removes what a run of a process that is gone has left behind', async () => {
  const dead = spawn('true');
  await once(dead, 'exit');
  const elsewhere = await mkdtemp(path.join(os.tmpdir(), 'outbox-relay-'));
  const stale = path.join(cacheFolder(), 'run', `${dead.pid}-stale`);
  await mkdir(stale, { recursive: true });
  await writeFile(path.join(stale, 'folders'), `${elsewhere}\n`);

  await using run = await openRun();
  expect(existsSync(run.dir)).toBe(true);
  expect(existsSync(stale)).toBe(false);
  expect(existsSync(elsewhere)).toBe(false);
});

test('a server that ends before it is ready is reported with the end of its log', async () => {
  await using run = await openRun();
  const server = run.start({ name: 'doomed', command: 'sh', args: ['-c', 'echo no disk left; exit 3'] });
  const ready = untilReady(server, async () => false, 10_000);
  await expect(ready).rejects.toThrow(/doomed ended before it was ready \(exit code 3\).*\nno disk left/);
});

test('a server that cannot be started at all is reported', async () => {
  await using run = await openRun();
  const server = run.start({ name: 'absent', command: '/nonexistent/server', args: [] });
  await expect(untilReady(server, async () => false, 10_000)).rejects.toThrow(/cannot be started.*ENOENT/);
});

test('the end of a run ends a server that ignores SIGTERM', async () => {
  const run = await openRun();
  const server = run.start({
    name: 'stubborn',
    command: 'sh',
    args: ['-c', "trap '' TERM; sleep 60 & wait"],
  });
  await run.end();
  expect(server.running).toBe(false);
  expect(await server.exited).toBe('signal SIGKILL');
});
