import { expect, test } from 'vitest';
import { Sequences } from '../../../../relay/publish/lean/sequences.ts';

test('each partition has sequence numbers of its own', () => {
  const sequences = new Sequences();
  expect(sequences.take('a/0', 3)).toBe(0);
  expect(sequences.take('a/1', 5)).toBe(0);
  expect(sequences.take('a/0', 2)).toBe(3);
  expect(sequences.take('a/0', 1)).toBe(5);
});

test('sequence numbers wrap around to 0', () => {
  const sequences = new Sequences(2 ** 31 - 2);
  expect(sequences.take('a/0', 2)).toBe(2 ** 31 - 2);
  expect(sequences.take('a/0', 1)).toBe(0);
  const within = new Sequences(2 ** 31 - 2);
  expect(within.take('a/0', 5)).toBe(2 ** 31 - 2);
  expect(within.take('a/0', 1)).toBe(3);
});

test('with another epoch each partition begins at 0, and offsets still have to rise', () => {
  const sequences = new Sequences(7);
  sequences.take('a/0', 3);
  sequences.rises('a/0', 5n, 3);
  sequences.restart();
  expect([sequences.take('a/0', 2), sequences.take('a/0', 1), sequences.take('a/1', 1)]).toEqual([0, 2, 0]);
  expect(sequences.rises('a/0', 7n, 1)).toBe(false);
  expect(sequences.rises('a/0', 9n, 1), 'a marker took offset 8').toBe(true);
});

test('an offset must be beyond the last record before', () => {
  const sequences = new Sequences();
  expect(sequences.rises('a/0', 0n, 3)).toBe(true);
  expect(sequences.rises('a/0', 2n, 1)).toBe(false);
  expect(sequences.rises('a/0', 3n, 1)).toBe(true);
  expect(sequences.rises('a/1', 0n, 1)).toBe(true);
  expect(sequences.rises('a/2', -1n, 1)).toBe(false);
});
