/**
 * A short simulation on every change, and the proof that it can fail. Each runs in a process of its own, because a
 * simulation replaces the clock of its process.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Long, because servers of other tests may take the whole machine for a while. */
const patienceMs = 240_000;

type Ran = { readonly code: number; readonly output: string };

function simulate(folder: string, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(folder, 'simulate/main.ts'), ...args],
      { cwd: folder, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
  });
}

/** A copy of the code with one change. */
function broken(file: string, find: string, replace: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'simulate-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const part of ['harness', 'relay', 'simulate', 'package.json'])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const source = readFileSync(join(folder, file), 'utf8');
  expect(source.split(find)).toHaveLength(2);
  writeFileSync(
    join(folder, file),
    source.replace(find, () => replace),
  );
  return folder;
}

it(
  'no invariant breaks in 200 seeds, and each kind of fault happens',
  async () => {
    const { code, output } = await simulate(root, '--seeds', '200');
    expect(output).toContain('every invariant held');
    expect(code).toBe(0);
    for (const fault of [
      'relay killed',
      'relay paused',
      'Postgres crashed',
      'EndTxn: answer lost',
      'EndTxn: request late',
      'EndTxn done while its coordinator moved',
      'TRANSACTION_ABORTABLE',
      'a new producer id after the last epoch: EndTxn',
      'seeds with transaction version 1',
      'seeds with transaction version 2',
      'transaction version changed',
    ])
      expect(output).toContain(fault);
  },
  patienceMs,
);

it(
  'a seed gives the same steps each time',
  async () => {
    const first = await simulate(root, '--seed', '7');
    const again = await simulate(root, '--seed', '7');
    const steps = ({ output }: Ran) => output.split('\n').filter((line) => !line.includes('steps/s'));
    expect(steps(first).length).toBeGreaterThan(100);
    expect(steps(again)).toEqual(steps(first));
  },
  patienceMs,
);

it(
  'a seed runs the same whatever ran before it in its thread, and however many threads there are',
  async () => {
    const [together, apart, alone] = await Promise.all([
      simulate(root, '--from', '5', '--seeds', '3', '--jobs', '1'),
      simulate(root, '--from', '5', '--seeds', '3', '--jobs', '3'),
      Promise.all(['5', '6', '7'].map((seed) => simulate(root, '--seed', seed))),
    ]);
    const stepsOf = ({ output }: Ran) => Number(/, (\d+) steps in /.exec(output)?.[1]);
    expect(stepsOf(together)).toBeGreaterThan(100);
    expect(stepsOf(apart)).toBe(stepsOf(together));
    expect(alone.reduce((sum, ran) => sum + stepsOf(ran), 0)).toBe(stepsOf(together));
  },
  patienceMs,
);

it(
  'a relay that acknowledges before Kafka has committed is caught by its invariant',
  async () => {
    const folder = broken(
      'relay/stream/committer.ts',
      'await publisher.commit(batch, progress, () => {',
      'capture.acknowledge(progress.endLsn); await publisher.commit(batch, progress, () => {',
    );
    const { code, output } = await simulate(folder, '--seeds', '100');
    expect(output).toContain('broke I6');
    expect(code).toBe(1);
  },
  patienceMs,
);
