/** In which order topics are listed. */
import { expect, test } from 'vitest';
import { orderFrom, pressed, sorted } from '../../../../../console/web/screens/topics/sort.ts';

const row = (name: string, rate: number | null) => ({
  name,
  rate,
  partitions: 1,
  size: null,
  skew: null,
  lag: null,
  letters: 0,
});
const names = (text: string | null) =>
  sorted([row('b', 2), row('d', null), row('a', 10), row('c', 2)], orderFrom(text)).map(({ name }) => name);

test('by name, until somebody asks for another order', () => {
  expect(names(null)).toEqual(['a', 'b', 'c', 'd']);
  expect(names('nonsense')).toEqual(['a', 'b', 'c', 'd']);
});

test('the largest come first, equal ones by name, and what is not known comes last either way', () => {
  expect(names('rate')).toEqual(['a', 'b', 'c', 'd']);
  expect(names('-rate')).toEqual(['b', 'c', 'a', 'd']);
  expect(names('skew')).toEqual(['a', 'b', 'c', 'd']);
});

test('the head of a column sorts by it, and then the other way round', () => {
  expect(pressed(orderFrom(null), 'rate')).toBe('rate');
  expect(pressed(orderFrom('rate'), 'rate')).toBe('-rate');
  expect(pressed(orderFrom('-rate'), 'rate')).toBe('rate');
  expect(pressed(orderFrom('rate'), 'name')).toBeNull();
  expect(pressed(orderFrom(null), 'name')).toBe('-name');
});
