import { expect, test } from 'vitest';
import { percentile } from '../../harness/percentile.ts';

test('a percentile is the smallest value that is at least as large as the share asked for', () => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  expect([0.5, 0.95, 0.99, 1].map((share) => percentile(values, share))).toEqual([50, 95, 99, 100]);
  expect(percentile([7], 0.5)).toBe(7);
  expect(percentile([], 0.5)).toBe(0);
});
