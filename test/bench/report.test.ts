/** What a report makes of the figures of a run. */
import { expect, test } from 'vitest';
import { competitors, orderOf, report, spread } from '../../bench/report.ts';
import { drainOf, grownOf, liveOf, measured } from './samples.ts';

test('the ratio is taken of the lower limit', () => {
  expect(report(measured(drainOf(90)), {}, {}).ratios.limit).toBe(0.9);
});

test('the relay is compared with the tuned Debezium by speed, by whole cost and, rate by rate, by latency', () => {
  const dear = { ...drainOf(20), cost: { own: 30, walsender: 6, broker: 4, whole: 40 } };
  const { ratios } = report(measured(drainOf(90), dear), {}, {});
  expect(ratios).toMatchObject({ debezium: 4.5, cost: 0.4 });
  expect(ratios.live).toEqual([{ offered: 1_000, p50: 0.25, p99: 0.25, cpu: 1 }]);
});

test('an event that any contender lost or doubled, anywhere, voids the run', () => {
  const exact = measured(drainOf(90));
  const isVoid = { void: true, ratios: { limit: null, debezium: null, cost: null, live: [] } };
  expect(report(exact, {}, {})).toMatchObject({ void: false, lost: 0, duplicates: 0 });
  const doubled = { ...drainOf(90), duplicates: 1 };
  expect(report(measured(doubled), {}, {})).toMatchObject({ ...isVoid, duplicates: 1 });
  expect(report(measured(drainOf(90), drainOf(20, 1)), {}, {})).toMatchObject({ ...isVoid, lost: 1 });
  const warmUp = { 'debezium-avro': drainOf(20, 1) };
  expect(report({ ...exact, warmUp }, {}, {})).toMatchObject({ ...isVoid, lost: 1 });
  const live = { ...exact.live, 'relay-json': [liveOf(5, 1)] };
  expect(report({ ...exact, live }, {}, {})).toMatchObject({ ...isVoid, lost: 1 });
  const cell = grownOf(8, 100);
  const debezium = { ...cell.results.relay!, lost: 1 };
  const growth = [{ ...cell, results: { ...cell.results, debezium } }];
  expect(report({ ...exact, growth }, {}, {})).toMatchObject({ ...isVoid, lost: 1 });
});

test('a part that failed voids the run, and the figures of the others are kept', () => {
  const failed = report({ ...measured(drainOf(90)), failures: ['growth of relay: it ended'] }, {}, {});
  expect(failed).toMatchObject({ void: true, failures: ['growth of relay: it ended'] });
  expect(failed.drain.relay?.eventsPerSecond.median).toBe(90);
});

test('the spread of the rounds is that of each part of the cost', () => {
  const dear = { ...drainOf(70), cost: { own: 20, walsender: 6, broker: null, whole: null } };
  const rounds = { relay: [drainOf(90), dear] };
  const { drain } = report({ ...measured(drainOf(90)), rounds }, {}, {});
  expect(drain.relay).toMatchObject({
    eventsPerSecond: { min: 70, median: 80, max: 90 },
    cost: { own: { min: 10, median: 15, max: 20 }, broker: { min: 2, median: 2, max: 2 } },
  });
});

test('the median of an even number of rounds lies between the two in the middle', () => {
  expect(spread([4, 1, 3, 2])).toEqual({ min: 1, median: 2.5, max: 4 });
  expect(spread([null])).toBeNull();
});

test('each round has every competitor once, begins with another, and turns the order around', () => {
  const rounds = Array.from({ length: competitors.length }, (_, round) => orderOf(competitors, round));
  for (const order of rounds) expect(new Set(order)).toEqual(new Set(competitors));
  expect(rounds.map(([first]) => first)).toEqual(competitors);
  // Who comes behind whom changes, so that nobody always finds what the same neighbour left behind.
  expect(orderOf(['a', 'b', 'c'], 0)).toEqual(['a', 'b', 'c']);
  expect(orderOf(['a', 'b', 'c'], 1)).toEqual(['b', 'a', 'c']);
  expect(orderOf(['a', 'b', 'c'], 2)).toEqual(['c', 'a', 'b']);
});
