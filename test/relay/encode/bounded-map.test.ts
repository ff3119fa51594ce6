import { expect, test } from 'vitest';
import { BoundedMap } from '../../../relay/encode/bounded-map.ts';

test('the oldest entries are dropped, by bytes of keys and values, and an entry that is set again is the newest', () => {
  // An entry takes 200 bytes besides key and value.
  const map = new BoundedMap<number>(1_000);
  for (const [value, key] of ['a', 'b', 'c', 'd'].entries()) map.set(key, value, 40);
  expect(map.size).toBe(4);
  map.set('a', 4, 40);
  map.set('x'.repeat(50), 5, 140);
  expect([map.size, map.get('b'), map.get('c'), map.get('d'), map.get('a')]).toEqual([
    3,
    undefined,
    undefined,
    3,
    4,
  ]);
  map.set('y'.repeat(1_000), 6, 0);
  expect([map.size, map.get('a')]).toEqual([3, 4]);
  map.clear();
  for (let n = 0; n < 10_000; n++) map.set(`key${n}`, n, 0);
  expect([map.size, map.get('key9999')]).toEqual([4, 9_999]);
});
