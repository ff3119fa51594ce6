import { expect, test } from 'vitest';
import { integer, number } from '../../harness/arguments.ts';

test('takes whole numbers within the bounds', () => {
  expect(['1', '05', '10'].map(integer(1, 10))).toEqual([1, 5, 10]);
  for (const text of ['', '0', '11', '1.5', '1e1', '-1', 'x'])
    expect(() => integer(1, 10)(text)).toThrow('expected a whole number from 1 to 10.');
});

test('takes numbers within the bounds', () => {
  expect(['0.1', '5'].map(number(0.1, 5))).toEqual([0.1, 5]);
  for (const text of ['', ' ', '0', '6', 'x', 'NaN', 'Infinity'])
    expect(() => number(0.1, 5)(text)).toThrow('expected a number from 0.1 to 5.');
});
