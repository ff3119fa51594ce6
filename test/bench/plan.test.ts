/** What a run measures, and how long it says that takes. */
import { expect, test } from 'vitest';
import { growing, growthCells } from '../../bench/growth-cells.ts';
import { describeEstimate, estimate, liveOf, type Plan } from '../../bench/plan.ts';
import { competitors, contenders } from '../../bench/report.ts';

const all: Plan = {
  competitors,
  rounds: 5,
  events: 200_000,
  warmUpEvents: 1_000_000,
  partitions: 3,
  perTransaction: 5,
  rowBytes: 275,
  live: liveOf(competitors, false),
  liveSeconds: 20,
  cells: growthCells(10_000_000),
  growing,
};

test('every contender is measured at the loads that are compared, and no limit at any', () => {
  const at = (rate: number) => liveOf(competitors, false).find((load) => load.rate === rate)?.names;
  for (const rate of [1_000, 4_000]) expect(at(rate)).toEqual(contenders);
  for (const rate of [500, 20_000]) expect(at(rate)).toEqual(['relay']);
  expect(liveOf(['perf-client', 'pg_recvlogical'], false)).toEqual([]);
});

test('everything together is said to take between half an hour and an hour, by its parts', () => {
  const parts = estimate(all);
  expect(parts.map(({ name }) => name)).toEqual(['start', 'warm-up', 'rounds', 'latency', 'growth']);
  const minutes = parts.reduce((sum, { seconds }) => sum + seconds, 0) / 60;
  expect(minutes).toBeGreaterThan(30);
  expect(minutes).toBeLessThan(60);
  expect(describeEstimate(parts)).toMatch(/^takes about \d+ minutes .* rounds \d+, latency \d+, growth \d+$/);
});

test('what is left out takes no time', () => {
  const only = { ...all, live: [], cells: [], rounds: 0, warmUpEvents: 0 };
  expect(estimate(only).map(({ name }) => name)).toEqual(['start']);
});
