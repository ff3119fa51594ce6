import { expect, test } from 'vitest';
import { Random } from '../../harness/random.ts';

const draws = (seed: number) => {
  const random = new Random(seed);
  return [
    random.fraction(),
    random.integer(1, 6),
    random.int64(),
    random.uuid(),
    random.shuffled([1, 2, 3, 4, 5]),
  ];
};

test('a seed repeats its choices, and another makes others', () => {
  expect(draws(7)).toEqual(draws(7));
  expect(draws(7)).not.toEqual(draws(8));
});

test('every choice is within its bounds, and each bound is met', () => {
  const random = new Random(1);
  const drawn = new Set(Array.from({ length: 500 }, () => random.integer(-1, 2)));
  expect([...drawn].toSorted()).toEqual([-1, 0, 1, 2]);
  expect(new Set(Array.from({ length: 100 }, () => random.pick(['a', 'b', 'c'])))).toEqual(
    new Set(['a', 'b', 'c']),
  );
  expect(random.shuffled([1, 2, 3, 4, 5]).toSorted()).toEqual([1, 2, 3, 4, 5]);
  expect(random.uuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(() => random.pick([])).toThrow(RangeError);
});
