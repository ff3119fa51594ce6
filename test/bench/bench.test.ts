/** The benchmark itself, in one short iteration, so that it still runs when it is needed. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import type { Drain } from '../../bench/drain.ts';
import { plot } from '../../bench/plot.ts';
import { report, spread } from '../../bench/report.ts';
import { payloadOf } from '../../bench/workload.ts';

const run = promisify(execFile);
const entry = path.join(import.meta.dirname, '..', '..', 'bench', 'main.ts');

test('a short run measures the relay and finds nothing lost and nothing doubled', {
  timeout: 120_000,
}, async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'bench-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const json = path.join(folder, 'bench.json');
  const short = ['--only', 'relay', '--rounds', '1', '--events', '2000', '--no-live', '--no-warm-up'];
  const { stdout } = await run(process.execPath, [entry, ...short, '--json', json]);
  const result = JSON.parse(await readFile(json, 'utf8'));

  expect(result).toMatchObject({
    lost: 0,
    duplicates: 0,
    void: false,
    ratios: { limit: null, debezium: null, live: [] },
  });
  expect(result.drain.relay.rounds).toHaveLength(1);
  expect(result.drain.relay.eventsPerSecond.median).toBeGreaterThan(0);
  expect(result.cpuMicrosPerEvent).toBeGreaterThan(0);
  expect(stdout).toContain('| relay |');
});

const drain = (eventsPerSecond: number, lost = 0): Drain => ({
  events: 1_000,
  eventsPerSecond,
  eventsPerSecondFromStart: eventsPerSecond,
  cpuMicrosPerEvent: 10,
  cpuMicrosPerEventFromStart: 20,
  peakMemoryMb: 100,
  lost,
  duplicates: 0,
});
const measured = (relay: Drain) => ({
  rounds: new Map([
    ['relay', [relay]],
    ['perf-client', [drain(200)]],
    ['pg_recvlogical', [drain(100)]],
  ] as const),
  live: {},
  idleCpuPercent: null,
  growth: [],
});

test('the ratio is taken of the lower limit', () => {
  expect(report(measured(drain(90)), {}, {}).ratios.limit).toBe(0.9);
});

test('one lost event voids the figures of the relay', () => {
  expect(report(measured(drain(90, 1)), {}, {})).toMatchObject({
    void: true,
    lost: 1,
    ratios: { limit: null },
    cpuMicrosPerEvent: null,
  });
});

test('the median of an even number of rounds lies between the two in the middle', () => {
  expect(spread([4, 1, 3, 2])).toEqual({ min: 1, median: 2.5, max: 4 });
  expect(spread([null])).toBeNull();
});

test('a payload has as many bytes as were asked for', () => {
  for (const bytes of [275, 1_024, 10_240]) expect(Buffer.byteLength(payloadOf(bytes))).toBe(bytes);
});

test('the plot shows every competitor that was run', () => {
  const svg = plot(report(measured(drain(90)), {}, {}));
  for (const name of ['relay', 'perf-client', 'pg_recvlogical']) expect(svg).toContain(`>${name}</text>`);
});
