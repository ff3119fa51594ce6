/** The whole cost of an event. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { CpuMeter, costOf } from '../../bench/cost.ts';

test('the whole cost is the sum of its parts, and unknown where one is', () => {
  expect(costOf({ own: 100, walsender: 40, broker: 10 }, 10_000)).toEqual({
    own: 10,
    walsender: 4,
    broker: 1,
    whole: 15,
  });
  expect(costOf({ own: 100, walsender: null, broker: 10 }, 10_000)).toMatchObject({
    walsender: null,
    whole: null,
  });
});

/** A process that keeps a core busy until it has taken so many ms of CPU since it began. */
async function busy(): Promise<{ pid: number; untilMs(ms: number): Promise<void> }> {
  const code =
    'process.stdin.on("data", (d) => { const ms = +d; while (process.cpuUsage().user < ms * 1000); console.log("done"); })';
  const child = spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    pid: child.pid!,
    async untilMs(ms) {
      child.stdin.write(String(ms));
      await once(child.stdout, 'data');
    },
  };
}

test('a meter counts what a process took since it began, and all of one that came later', async () => {
  const [first, later] = [await busy(), await busy()];
  await first.untilMs(100);
  const meter = new CpuMeter();
  await meter.begin([first.pid]);
  await meter.sample([first.pid]);
  expect(meter.ms).toBeLessThan(60);
  await first.untilMs(200);
  await meter.sample([first.pid]);
  const one = meter.ms;
  expect(one).toBeGreaterThan(60);
  await later.untilMs(100);
  await meter.sample([first.pid, later.pid]);
  expect(meter.ms - one).toBeGreaterThan(60);
});

test('a process that has ended keeps what it had when it was last seen', async () => {
  const child = await busy();
  const meter = new CpuMeter();
  await child.untilMs(100);
  await meter.sample([child.pid]);
  const before = meter.ms;
  process.kill(child.pid, 'SIGKILL');
  while (await meter.sample([child.pid]).then(() => isThere(child.pid)));
  expect(meter.ms).toBeGreaterThanOrEqual(before);
  expect(before).toBeGreaterThan(60);
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
