import { expect, test } from 'vitest';
import { Random } from '../../../harness/random.ts';
import { FrequentValues } from '../../../relay/observe/frequent.ts';

/** Adds values with weights, and counts them exactly beside. */
function addAll(values: Iterable<readonly [string, number]>, size: number) {
  const sketch = new FrequentValues(size);
  const exact = new Map<string, number>();
  for (const [value, times] of values) {
    sketch.add(value, times);
    exact.set(value, (exact.get(value) ?? 0) + times);
  }
  return { sketch, exact, counts: new Map(sketch.top(size).map(({ value, count }) => [value, count])) };
}

function* streamOf(random: Random, skew: number) {
  for (let n = 0; n < 20_000; n++)
    yield [`k${Math.floor(5_000 * random.fraction() ** skew)}`, random.integer(1, 4)] as const;
}

test.each([1, 2, 5, 12])('no count is too high, nor too low by more than the bound (skew %i)', (skew) => {
  const size = 63;
  const { sketch, exact, counts } = addAll(streamOf(new Random(skew), skew), size);
  const total = [...exact.values()].reduce((sum, count) => sum + count, 0);
  expect(sketch.total).toBe(total);
  expect(counts.size).toBeLessThanOrEqual(size);
  for (const [value, count] of exact) {
    const estimate = counts.get(value) ?? 0;
    expect(estimate).toBeLessThanOrEqual(count);
    expect(estimate).toBeGreaterThanOrEqual(count - total / (size + 1));
  }
});

test('what fits is counted exactly, the highest first', () => {
  const { sketch } = addAll(
    [
      ['a', 1],
      ['b', 5],
      ['c', 3],
      ['b', 1],
    ],
    3,
  );
  expect(sketch.top(2)).toEqual([
    { value: 'b', count: 6 },
    { value: 'c', count: 3 },
  ]);
});

test('a value that comes late and often displaces those before it', () => {
  const { counts } = addAll(
    [
      ['a', 1],
      ['b', 2],
      ['c', 10],
      ['d', 3],
    ],
    2,
  );
  expect(Object.fromEntries(counts)).toEqual({ c: 8, d: 1 });
});
