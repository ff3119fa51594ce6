import { expect, test } from 'vitest';
import { milliseconds } from '../../../../console/web/data/format.ts';
import { incrementsOf, nearest } from '../../../../console/web/parts/ticks.ts';

test('lines of an axis of sizes stand at powers of 1,024 or parts of them', () => {
  expect(incrementsOf('bytes').every((each) => Number.isInteger(Math.log2(each)))).toBe(true);
  expect(incrementsOf('number')).toEqual(expect.arrayContaining([0.1, 1, 20, 500]));
});

test('lines of an axis of times have labels that differ, and that fit beside it', () => {
  for (const step of incrementsOf('milliseconds')) {
    const labels = [1, 2, 3, 4].map((times) => milliseconds(times * step));
    expect(new Set(labels).size, String(step)).toBe(4);
    for (const label of labels) expect(label.length, label).toBeLessThan(11);
  }
});

test('the nearest point to a time', () => {
  expect(nearest([], 5)).toBeUndefined();
  expect([-1, 0, 4, 6, 11, 99].map((at) => nearest([0, 5, 10, 20], at))).toEqual([0, 0, 1, 1, 2, 3]);
});
