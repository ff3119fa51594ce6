/** The benchmark itself, in one short iteration, so that it still runs when it is needed. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import type { Drain } from '../../bench/drain.ts';
import { type Growth, growthCases, judgeGrowth } from '../../bench/growth.ts';
import type { Live } from '../../bench/live.ts';
import { plot } from '../../bench/plot.ts';
import { report, spread } from '../../bench/report.ts';
import { tables } from '../../bench/tables.ts';
import { idPrefix, numberOf, payloadOf } from '../../bench/workload.ts';

const run = promisify(execFile);
const entry = path.join(import.meta.dirname, '..', '..', 'bench', 'main.ts');

test('a short run measures the relay and finds nothing lost and nothing duplicated', {
  timeout: 400_000,
}, async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'bench-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const json = path.join(folder, 'bench.json');
  const short = [
    ...['--only', 'relay,pg_recvlogical', '--own-reader', '--rounds', '1', '--events', '2000'],
    ...['--no-live', '--no-warm-up'],
  ];
  const { stdout } = await run(process.execPath, [entry, ...short, '--json', json]);
  const result = JSON.parse(await readFile(json, 'utf8'));

  expect(result).toMatchObject({
    lost: 0,
    duplicates: 0,
    void: false,
    ratios: { limit: expect.any(Number), debezium: null, live: [] },
    machine: { slotReader: 'bench/slot-reader.ts' },
  });
  expect(result.drain.relay.rounds).toHaveLength(1);
  expect(result.drain.relay.eventsPerSecond.median).toBeGreaterThan(0);
  expect(result.drain.pg_recvlogical.eventsPerSecond.median).toBeGreaterThan(0);
  expect(result.cpuMicrosPerEvent).toBeGreaterThan(0);
  expect(stdout).toContain('| relay |');
  expect(stdout).toContain('was read by bench/slot-reader.ts');
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
const live = (p50Ms: number, lost = 0): Live => ({
  offered: 1_000,
  written: 1_000,
  p50Ms,
  p95Ms: 2 * p50Ms,
  p99Ms: 3 * p50Ms,
  maxMs: 4 * p50Ms,
  cpuMicrosPerEvent: 100,
  lost,
  duplicates: 0,
});
const grown = (events: number, cpuMicrosPerEvent: number, peakMemoryMb: number): Growth => ({
  ...growthCases(10_000)[0]!,
  events,
  eventsPerSecond: 1,
  cpuMicrosPerEvent,
  peakMemoryMb,
  lost: 0,
  duplicates: 0,
});
const measured = (relay: Drain, debezium: Drain = drain(20)) => ({
  rounds: new Map([
    ['relay', [relay]],
    ['debezium', [debezium]],
    ['perf-client', [drain(200)]],
    ['pg_recvlogical', [drain(100)]],
  ] as const),
  live: { relay: [live(5)], debezium: [live(20)] },
  idleCpuPercent: null,
  growth: [] as Growth[],
  debeziumWarmUp: null,
});

test('the ratio is taken of the lower limit', () => {
  expect(report(measured(drain(90)), {}, {}).ratios.limit).toBe(0.9);
});

test('the relay is compared with Debezium by speed and, rate by rate, by latency', () => {
  const { ratios } = report(measured(drain(90)), {}, {});
  expect(ratios.debezium).toBe(4.5);
  expect(ratios.live).toEqual([{ offered: 1_000, p50: 0.25, p99: 0.25, cpu: 1 }]);
});

test('nothing is compared with a Debezium that lost an event', () => {
  const lossy = report(measured(drain(90), drain(20, 1)), {}, {});
  expect(lossy).toMatchObject({ void: false, ratios: { limit: 0.9, debezium: null } });
  expect(tables(lossy)).toContain('| debezium (void) |');
  const late = { ...measured(drain(90)), live: { relay: [live(5)], debezium: [live(20, 1)] } };
  expect(report(late, {}, {}).ratios.live).toEqual([]);
});

test('an event lost while growth is measured voids the figures too', () => {
  const lossy = { ...measured(drain(90)), growth: [{ ...grown(10_000, 8, 100), lost: 1 }] };
  expect(report(lossy, {}, {})).toMatchObject({ void: true, lost: 1, ratios: { debezium: null } });
});

test('growth is judged by the memory of every case and by the cost of the backlogs', () => {
  const other = { ...grown(10_000, 99, 250), rowBytes: 10_240 };
  expect(judgeGrowth([grown(10_000, 8, 100), grown(1_000_000, 8.8, 240), other])).toMatchObject({
    peakMemoryMb: 250,
    memoryHolds: true,
    costSpreadPercent: 10,
    costHolds: true,
  });
  const grew = [grown(10_000, 8, 100), grown(1_000_000, 9, 251)];
  expect(judgeGrowth(grew)).toMatchObject({ memoryHolds: false, costHolds: false });
  expect(tables(report({ ...measured(drain(90)), growth: grew }, {}, {}))).toContain('251 MB');
  expect(judgeGrowth([])).toBeUndefined();
});

test('growth goes up to the backlog that was asked for', () => {
  for (const most of [10_000, 1_000_000, 10_000_000])
    expect(Math.max(...growthCases(most).map(({ events }) => events))).toBe(most);
});

test('an id tells the number of its row, and of no other', () => {
  expect(numberOf(`${idPrefix}0000000000ff`)).toBe(255);
  expect(numberOf('00000000-0000-4000-8000-0000000000ff')).toBeNaN();
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
  for (const bytes of [100, 275, 1_024, 10_240]) expect(Buffer.byteLength(payloadOf(bytes))).toBe(bytes);
});

test('the plot shows every competitor that was run', () => {
  const svg = plot(report(measured(drain(90)), {}, {}));
  for (const name of ['relay', 'debezium', 'perf-client', 'pg_recvlogical'])
    expect(svg).toContain(`>${name}</text>`);
});
