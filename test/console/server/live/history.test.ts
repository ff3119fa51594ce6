import { expect, test } from 'vitest';
import { noFigures } from '../../../../console/server/live/figures.ts';
import { History } from '../../../../console/server/live/history.ts';

const of = (eventsPerSecond: number | null) => ({ ...noFigures, eventsPerSecond });
const everyMs = 5_000;

function historyOf(values: readonly (number | null)[], capacity = 100): History {
  const history = new History(capacity, everyMs);
  for (const [index, value] of values.entries()) history.add(index * everyMs, of(value));
  return history;
}

test('a scrape without figures is a gap, never 0', () => {
  const { seconds, series } = historyOf([1, null, 3]).since(0, 10);
  expect(seconds).toEqual([0, 5, 10]);
  expect(series.eventsPerSecond).toEqual([1, null, 3]);
  expect(series.lagMs).toEqual([null, null, null]);
});

test('of several points that become one, the largest counts, so that no peak is lost', () => {
  expect(historyOf([1, 9, 2, 3, null, 4]).since(0, 3).series.eventsPerSecond).toEqual([9, 3, 4]);
});

test('it keeps the latest points', () => {
  expect(historyOf([1, 2, 3, 4, 5], 3).since(0, 10).series.eventsPerSecond).toEqual([3, 4, 5]);
  expect(historyOf([1, 2, 3], 3).since(6_000, 10).series.eventsPerSecond).toEqual([3]);
});

test('points that were missed, such as while the machine slept, leave a gap', () => {
  const history = historyOf([1, 2]);
  history.add(600_000, of(3));
  history.add(605_000, of(4));
  const { seconds, series } = history.since(0, 10);
  expect(series.eventsPerSecond).toEqual([1, 2, null, 3, 4]);
  expect(seconds).toEqual([0, 5, 10, 600, 605]);
});

test('where the clock is set back, time stays in order, and what comes again takes the place of what was', () => {
  const history = historyOf([1, 2, 3, 4]);
  history.add(7_000, of(5));
  history.add(12_000, of(6));
  const { seconds, series } = history.since(0, 10);
  expect(seconds).toEqual([0, 5, 7, 12]);
  expect(series.eventsPerSecond).toEqual([1, 2, 5, 6]);
  history.add(0, of(7));
  expect(history.since(0, 10).series.eventsPerSecond).toEqual([7]);
});
