import { expect, test } from 'vitest';
import { StormWatch } from '../../../relay/refusals/storm.ts';

const watch = (stormPercent = 50, stormMinEvents = 100) => new StormWatch({ stormPercent, stormMinEvents });

test('more than the share of at least so many events is a storm, and exactly the share is none', () => {
  expect(watch().add(100, 50, 0)).toBeUndefined();
  expect(watch().add(100, 51, 0)).toEqual({ events: 100, refused: 51 });
});

test('too few events are none, even if all of them are refused', () => {
  const few = watch();
  expect(few.add(99, 99, 0)).toBeUndefined();
  expect(few.add(1, 0, 1)).toEqual({ events: 100, refused: 99 });
});

test('100 percent are never exceeded, which turns it off', () => {
  expect(watch(100).add(1_000, 1_000, 0)).toBeUndefined();
});

test('events add up over a minute, and what is older is forgotten', () => {
  const steady = watch();
  for (let second = 0; second < 59; second++) expect(steady.add(1, 1, second * 1_000)).toBeUndefined();
  expect(steady.add(41, 41, 59_000)).toEqual({ events: 100, refused: 100 });
  const slow = watch();
  for (let second = 0; second < 600; second++) expect(slow.add(1, 1, second * 1_000)).toBeUndefined();
});

test('good events of the same minute weigh against bad ones, and older ones do not', () => {
  const mixed = watch();
  expect(mixed.add(1_000, 0, 0)).toBeUndefined();
  expect(mixed.add(900, 900, 30_000)).toBeUndefined();
  expect(mixed.add(1, 1, 60_001)).toEqual({ events: 901, refused: 901 });
});
