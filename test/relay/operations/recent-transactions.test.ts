import { expect, test } from 'vitest';
import type { Progress } from '../../../relay/model/progress.ts';
import { transactionsOf } from '../../../relay/operations/recent-transactions.ts';

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
