import { describe, expect, test } from 'vitest';
import { splitHeader } from '../../../relay/encode/split-header.ts';
import { BatchBuilder } from '../../../relay/publish/kafkajs/batch.ts';
import { Filling } from '../../../relay/stream/filling.ts';
import { OpenTransaction } from '../../../relay/stream/open-transaction.ts';
import { aheadOf, asking, endsAtMs, exceeds, marked, within } from '../../../relay/stream/splitting.ts';
import { transactionOf } from '../capture/rows.ts';
import { recordOf } from '../publish/records.ts';
import { configOf } from '../settings.ts';

const part = (commitLsn: bigint, firstOrdinal: number, count: number) =>
  transactionOf(commitLsn, count, { firstOrdinal, endLsn: null });

function filled(commitLsn: bigint, firstOrdinal: number, count: number): Filling {
  const filling = new Filling(new BatchBuilder());
  const records = Array.from({ length: count }, () => recordOf({ bytes: 10 }));
  filling.add(part(commitLsn, firstOrdinal, count), { records, deadLetters: [], parked: [] });
  return filling;
}

describe('an open transaction', () => {
  test.each([
    ['after one part, when half of the time is over', 1, 15_000],
    ['after nine parts, when a tenth of it is left', 9, 27_000],
  ])('ends, %s', (_, parts, afterMs) => {
    expect(endsAtMs({ begunMs: 1_000, parts }, 30_000)).toBe(1_000 + afterMs);
  });

  test('holds what its batches held', () => {
    const open = new OpenTransaction(0);
    for (const firstOrdinal of [0, 3]) {
      const batch = filled(10n, firstOrdinal, 3);
      open.add(batch, [...batch.batch.eventsByPartition()]);
    }
    expect(open).toMatchObject({ events: 6, rows: 6, bytes: 60, parts: 2, hasEvents: true });
    expect(open.covered).toMatchObject({ endLsn: null, partial: { commitLsn: 10n, ordinal: 6 } });
    expect([...open.eventsByTopic.values()]).toEqual([6]);
    expect(open.eventsByPartition.map(({ events }) => events)).toEqual([6]);
    // One Postgres transaction, however many parts it came in.
    expect(open.committedAtMs.length).toBe(1);
    expect(open.transactionsWith([10n])).toBe(1);
    expect(open.transactionsWith([10n, 11n])).toBe(2);
  });
});

describe('a limit of the settings', () => {
  const { publish } = configOf({
    PUBLISH_MAX_TRANSACTION_EVENTS: 10,
    PUBLISH_BATCH_EVENTS: 10,
  });

  test('counts what is written, what is being written, and what waits, of this transaction alone', () => {
    const open = new OpenTransaction(0);
    open.add(filled(10n, 0, 3), []);
    const ahead = aheadOf(part(10n, 6, 3), open, [filled(10n, 3, 3), filled(9n, 0, 5), undefined]);
    expect(ahead).toEqual({ events: 6, bytes: 60 });
  });

  test('does not count what is written of the transaction before, whose last part is still on its way', () => {
    const open = new OpenTransaction(0);
    open.add(filled(9n, 0, 8), []);
    expect(aheadOf(part(10n, 0, 3), open, [undefined, filled(10n, 3, 1)])).toEqual({ events: 1, bytes: 10 });
  });

  test.each([
    [7, 3, false],
    [7, 4, true],
    [0, 40, false],
  ])('after %i events a part of %i exceeds it: %s', (events, count, expected) => {
    expect(exceeds(part(10n, events, count), { events, bytes: 0 }, publish)).toBe(expected);
  });

  test('is exceeded by nothing where there is none', () => {
    expect(exceeds(part(10n, 1, 10_000), { events: 1e8, bytes: 1e12 }, configOf().publish)).toBe(false);
  });
});

describe('the transaction that a split is asked for', () => {
  const open = new OpenTransaction(0);
  open.add(filled(9n, 0, 3), []);
  const last = new Filling(new BatchBuilder());
  last.add(transactionOf(9n, 1, { firstOrdinal: 3 }), { records: [recordOf()], deadLetters: [], parked: [] });
  const nothing = new Filling(new BatchBuilder());

  test.each([
    ['the one that is written, while nothing else waits', [nothing, undefined], 9n],
    ['the one that waits to be written', [filled(10n, 0, 3), last], 10n],
    ['none while the last part of one is written', [nothing, last], undefined],
    ['none while the last part of one waits', [last, filled(9n, 3, 1)], undefined],
  ])('is %s', (_, batches, expected) => {
    expect(within(open, batches)).toBe(expected);
  });

  test('is asked for though the request of the transaction before was not met: it ended meanwhile', () => {
    const [pause, limit] = [
      { reason: 'pause', commitLsn: 9n } as const,
      { reason: 'limit', commitLsn: 10n } as const,
    ];
    expect(asking(pause, limit)).toBe(limit);
    expect(asking(undefined, limit)).toBe(limit);
    expect(asking(pause, { ...pause, reason: 'limit' })).toBe(pause);
  });

  test('is none between two', () => {
    expect(within(undefined, [nothing, undefined])).toBeUndefined();
  });
});

describe('the mark of a split transaction', () => {
  const decisionOf = (maxBatchBytes: number) =>
    marked({ records: [recordOf({ bytes: 100, maxBatchBytes })], deadLetters: [], parked: [] }).records[0]!;

  test('is a header, and its bytes count', () => {
    const record = decisionOf(1_000);
    expect(record.headers).toMatchObject({ [splitHeader]: 'true' });
    expect(record.bytes).toBeGreaterThan(100 + splitHeader.length);
  });

  test('is left out where the record would not fit its topic with it', () => {
    const record = decisionOf(110);
    expect([record.headers[splitHeader], record.bytes]).toEqual([undefined, 100]);
  });
});
