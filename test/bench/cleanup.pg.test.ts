/** The benchmark of cleanup, in one short run, so that it still runs when it is needed. It judges no times. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const entry = path.join(import.meta.dirname, '..', '..', 'bench', 'cleanup.ts');

test('a short run drops every partition while events are written', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'bench-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const json = path.join(folder, 'bench.json');
  const short = ['--partitions', '2', '--rows', '2000', '--rate', '200', '--seconds', '1'];
  // Its exit code depends on how quick this machine is now.
  await new Promise((resolve) => execFile(process.execPath, [entry, ...short, '--json', json], resolve));
  expect(JSON.parse(await readFile(json, 'utf8'))).toMatchObject({
    removedPartitions: 2,
    removedRows: 4_000,
    lockWaitsOver100Ms: expect.any(Number),
    without: { inserts: expect.any(Number), maxMs: expect.any(Number) },
    during: { inserts: expect.any(Number), maxMs: expect.any(Number) },
  });
});
