import { expect, test } from 'vitest';
import {
  blockedTopics,
  hangsAfterMs,
  type LookedAt,
  StandingPartitions,
} from '../../../relay/publish/standing-partitions.ts';

const at = (partition: number, stable: number, all: number, topic = 'orders'): LookedAt => ({
  topic,
  partition,
  ends: { stable: BigInt(stable), all: BigInt(all) },
});
const unseen = (partition: number, topic = 'orders'): LookedAt => ({ topic, partition, ends: undefined });

test('a partition stands from the first look at an offset until the offset moves', () => {
  const partitions = new StandingPartitions();
  expect(partitions.note([at(0, 5, 9)], 1_000)).toMatchObject([{ offset: 5n, standingMs: 0 }]);
  expect(partitions.note([at(0, 5, 20)], 16_000)).toMatchObject([{ offset: 5n, standingMs: 15_000 }]);
  expect(partitions.note([at(0, 20, 30)], 31_000)).toMatchObject([{ offset: 20n, standingMs: 0 }]);
  expect(partitions.note([at(0, 30, 30)], 46_000)).toEqual([]);
  expect(partitions.note([at(0, 30, 31)], 61_000)).toMatchObject([{ offset: 30n, standingMs: 0 }]);
});

test('what was not seen stands no longer and no shorter: its time goes on from the first look', () => {
  const partitions = new StandingPartitions();
  partitions.note([at(0, 5, 9)], 0);
  expect(partitions.note([unseen(0)], 15_000)).toEqual([]);
  expect(partitions.note([at(0, 5, 9)], 30_000)).toMatchObject([{ standingMs: 30_000 }]);
});

test('a partition that is gone is forgotten', () => {
  const partitions = new StandingPartitions();
  partitions.note([at(0, 5, 9)], 0);
  partitions.note([], 15_000);
  expect(partitions.note([at(0, 5, 9)], 30_000)).toMatchObject([{ standingMs: 0 }]);
});

test('a topic is free only if all of it was seen', () => {
  const looked = [at(0, 9, 9), at(1, 5, 9), at(0, 1, 1, 'free'), at(0, 1, 1, 'half'), unseen(1, 'half')];
  const partitions = new StandingPartitions();
  partitions.note(looked, 0);
  expect(blockedTopics(looked, partitions.note(looked, 4_000))).toEqual([
    { topic: 'orders', blockedMs: 4_000 },
    { topic: 'free', blockedMs: 0 },
  ]);
});

test('a topic of which one partition stands and another was not seen is blocked for at least so long', () => {
  const looked = [at(0, 5, 9), unseen(1)];
  const partitions = new StandingPartitions();
  partitions.note(looked, 0);
  expect(blockedTopics(looked, partitions.note(looked, 2_000))).toEqual([
    { topic: 'orders', blockedMs: 2_000 },
  ]);
});

test("a relay's transaction hangs after its timeout, any other after the longest that brokers allow", () => {
  const settings = { transactionTimeoutMs: 60_000, lookMs: 15_000 };
  expect(hangsAfterMs('relay', settings)).toBe(90_000);
  expect(hangsAfterMs('other', settings)).toBe(930_000);
  expect(hangsAfterMs('unknown', settings)).toBe(930_000);
});
