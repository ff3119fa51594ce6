import { expect, test } from 'vitest';
import type { Progress } from '../../../relay/model/progress.ts';
import {
  extendTail,
  type KafkaTransaction,
  type Tail,
  transactionsOf,
  whyNone,
} from '../../../relay/operations/recent-transactions.ts';

const tail: Tail = {
  ...{ from: 0n, isWhole: false, next: 0n, last: undefined, count: 0, since: null, listed: [] },
  ...{ heartbeatAt: null, areLettersKnown: true },
};
const transaction = (
  offset: number,
  eventCount: number | null,
  letterCount: number | null,
): KafkaTransaction => ({
  ...{ offset: String(offset), eventCount, letterCount, instance: 'one', isPartial: false },
  ...{ endLsn: '0/1', commitLsn: null, committedAt: null },
  writtenAt: `2026-01-01T00:00:0${offset}.500Z`,
});

const progress = (endLsn: bigint, eventCount: number, more: Partial<Progress> = {}): Progress => ({
  slot: 's',
  systemIdentifier: '1',
  timeline: 1,
  endLsn,
  partial: null,
  beat: 0,
  eventCount,
  instance: 'one',
  time: '2026-01-01T00:00:00.000Z',
  ...more,
});

test('a Kafka transaction has the events by which its progress goes beyond the one before', () => {
  const last = { commitLsn: 0x1f0n, committedAtMs: 0 };
  const written = [
    { offset: 4n, progress: progress(0x100n, 7) },
    { offset: 6n, progress: progress(0x200n, 12, { last, partial: { commitLsn: 0x200n, ordinal: 3 } }) },
    { offset: 8n, progress: progress(0x300n, 12) },
    // Somebody adopted another history.
    { offset: 10n, progress: progress(0x310n, 0) },
  ];
  expect(transactionsOf(written)).toMatchObject([
    { offset: '10', eventCount: null },
    { offset: '8', eventCount: 0 },
    {
      offset: '6',
      eventCount: 5,
      isPartial: true,
      commitLsn: '0/1F0',
      committedAt: '1970-01-01T00:00:00.000Z',
    },
    { offset: '4', eventCount: null, commitLsn: null, committedAt: null },
  ]);
});

test('what compaction removed before a transaction is not counted as its events', () => {
  const written = [
    { offset: 4n, progress: progress(0x100n, 7) },
    { offset: 90_000n, progress: progress(0x200n, 5_000), isAfterGap: true },
    { offset: 90_002n, progress: progress(0x300n, 5_001) },
  ];
  expect(transactionsOf(written).map(({ eventCount }) => eventCount)).toEqual([1, null, null]);
});

test('a list of transactions leaves out heartbeats, however they come, and counts those since its oldest', () => {
  const all = [
    transaction(0, null, null),
    transaction(1, 5, 0),
    transaction(2, 0, 0),
    transaction(3, 0, 2),
    transaction(4, 0, 0),
    transaction(5, 0, null),
    transaction(6, 1, 0),
    transaction(7, 0, 0),
  ];
  for (const cut of [0, 1, 4, 8]) {
    const parts = extendTail(extendTail(tail, all.slice(0, cut), 2), all.slice(cut), 2);
    expect(parts.listed.map(({ transaction: { offset }, heartbeats }) => [offset, heartbeats])).toEqual([
      ['3', 2],
      ['6', 1],
    ]);
    expect(parts).toMatchObject({ count: 8, heartbeatAt: '2026-01-01T00:00:07.500Z' });
  }
});

test('an empty list says why it is', () => {
  const config = { kafka: { progressTopic: 'p' }, slot: { name: 's' } } as Parameters<typeof whyNone>[0];
  expect(whyNone(config)).toMatch(/p does not exist: no relay has started/);
  expect(whyNone(config, { ...tail, isWhole: true })).toBe('There is no progress of slot s in p.');
  expect(whyNone(config, { ...tail, from: 10n, next: 50n })).toMatch(/in the last 40 offsets of p/);
  const idle = extendTail(tail, [transaction(1, 0, 0), transaction(2, 0, 0)], 2);
  expect(whyNone(config, idle)).toBe(
    'No event since 2026-01-01 00:00:01 UTC: the 2 Kafka transactions from then on only confirm heartbeats. What is older is not read.',
  );
});
