import { expect, test } from 'vitest';
import { compareIds, KeyOrder } from '../../harness/deliveries.ts';

test('what is committed and received once is no difference, in any order', () => {
  expect(compareIds(['b', 'a'], ['a', 'b'])).toEqual({ missing: [], duplicates: [], unknown: [] });
});

test('names what is missing, what came more than once, and what was never committed', () => {
  expect(compareIds(['a', 'a', 'a', 'x'], ['a', 'b'])).toEqual({
    missing: ['b'],
    duplicates: ['a'],
    unknown: ['x'],
  });
});

test('the events of a key rise, whatever lies between them', () => {
  const order = new KeyOrder<number>();
  expect([
    order.follows('a', 0),
    order.follows('b', 5),
    order.follows('a', 1),
    order.follows('b', 6),
  ]).toEqual([true, true, true, true]);
});

test('an event that repeats or overtakes is out of order, and those after it are judged by the highest', () => {
  const order = new KeyOrder<string>();
  order.follows('a', '02');
  expect(order.follows('a', '02')).toBe(false);
  expect(order.follows('a', '01')).toBe(false);
  expect(order.follows('a', '03')).toBe(true);
});
