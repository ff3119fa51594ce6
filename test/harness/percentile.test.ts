import { expect, test } from 'vitest';
import { medianInterval, percentile } from '../../harness/percentile.ts';

test('a percentile is the smallest value that is at least as large as the share asked for', () => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  expect([0.5, 0.95, 0.99, 1].map((share) => percentile(values, share))).toEqual([50, 95, 99, 100]);
  expect(percentile([7], 0.5)).toBe(7);
  expect(percentile([], 0.5)).toBe(0);
});

test('the interval of a median is the one of the sign test', () => {
  // From tables: the 2nd and 9th of 10, the 6th and 15th of 20.
  const upTo = (n: number) => Array.from({ length: n }, (_, index) => n - index);
  expect(medianInterval(upTo(10))).toEqual([2, 9]);
  expect(medianInterval(upTo(20))).toEqual([6, 15]);
  expect(medianInterval(upTo(6))).toEqual([1, 6]);
  expect(medianInterval(upTo(5))).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
});
