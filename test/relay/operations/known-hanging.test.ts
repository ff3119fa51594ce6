import { expect, test } from 'vitest';
import type { HangingTransaction } from '../../../relay/model/hanging-transaction.ts';
import { KnownHanging } from '../../../relay/operations/known-hanging.ts';

const nowMs = Date.UTC(2026, 0, 1);
const one = (topic: string, standingMs = 90_000): HangingTransaction => ({
  ...{ topic, partition: 0, offset: '7', standingMs },
  owner: 'relay',
  producerId: '12',
});
const standing = (topic: string) => ({ topic, blockedMs: 90_000 });
const free = (topic: string) => ({ topic, blockedMs: 0 });

test('the one that hangs for longest is named, with the time since when', () => {
  const known = new KnownHanging();
  expect(known.facts).toBeNull();
  known.note({ topics: [standing('a'), standing('b')], hanging: [one('a'), one('b', 3_600_000)] }, nowMs);
  expect(known.facts).toEqual({
    count: 2,
    longest: {
      ...{ topic: 'b', partition: 0, offset: '7', owner: 'relay', producerId: '12' },
      since: '2025-12-31T23:00:00.000Z',
    },
  });
});

test('a transaction in a topic that a look did not see is not over', () => {
  const known = new KnownHanging();
  known.note({ topics: [standing('a')], hanging: [one('a')] }, nowMs);
  const before = known.facts;
  known.note({ topics: [], hanging: [] }, nowMs + 15_000);
  known.note({ topics: [free('b')], hanging: [] }, nowMs + 30_000);
  expect(known.facts).toEqual(before);
  known.note({ topics: [free('a'), free('b')], hanging: [] }, nowMs + 45_000);
  expect(known.facts).toBeNull();
});

test('one in a topic that is not seen for a quarter of an hour is forgotten: the topic may be deleted', () => {
  const known = new KnownHanging();
  known.note({ topics: [standing('a')], hanging: [one('a')] }, nowMs);
  known.note({ topics: [free('b')], hanging: [] }, nowMs + 900_000);
  expect(known.count).toBe(1);
  known.note({ topics: [free('b')], hanging: [] }, nowMs + 900_001);
  expect(known.count).toBe(0);
});
