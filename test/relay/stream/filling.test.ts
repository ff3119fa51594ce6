import { describe, expect, test } from 'vitest';
import type { OutboundRecord, Refusal } from '../../../relay/encode/record.ts';
import { BatchBuilder } from '../../../relay/publish/kafkajs/batch.ts';
import type { Decision } from '../../../relay/refusals/refusals.ts';
import { Filling } from '../../../relay/stream/filling.ts';
import { blankRow, transactionOf } from '../capture/rows.ts';
import { recordOf } from '../publish/records.ts';
import { configOf } from '../settings.ts';

const { publish } = configOf({
  PUBLISH_MAX_TRANSACTION_EVENTS: 10,
  PUBLISH_BATCH_EVENTS: 8,
  PUBLISH_MAX_TRANSACTION_BYTES: 2_048,
  PUBLISH_BATCH_BYTES: 1_024,
});
const filling = () => new Filling(new BatchBuilder());
const records = (count: number, bytes = 10): OutboundRecord[] =>
  Array.from({ length: count }, () => recordOf({ bytes }));
const decided = (count: number, bytes?: number, deadLetters: readonly Refusal[] = []): Decision => ({
  records: records(count, bytes),
  deadLetters,
  parked: [],
});
const refusal: Refusal = {
  position: { commitLsn: 1n, ordinal: 0 },
  committedAtMs: 0,
  row: blankRow,
  code: 'PAYLOAD_INVALID',
  message: '',
  path: null,
  topic: null,
  subject: null,
  schemaId: null,
};

describe('what a batch takes', () => {
  test('is no first part of a larger transaction, unless it is empty', () => {
    const batch = filling();
    const first = transactionOf(5n, 3, { endLsn: null });
    expect(batch.takes(first, publish)).toBe(true);
    batch.add(transactionOf(4n, 1), decided(1));
    expect(batch.takes(first, publish)).toBe(false);
  });

  test('is anything when it is empty', () => {
    expect(filling().takes(transactionOf(1n, 1_000, { bytes: 1e6 }), publish)).toBe(true);
  });

  test('is anything as long as it holds no events', () => {
    const target = filling();
    target.add(transactionOf(1n), decided(0));
    expect(target.takes(transactionOf(2n, 1_000, { bytes: 1e6 }), publish)).toBe(true);
  });

  test('is no more events than one Kafka transaction may hold, dead letters included', () => {
    const target = filling();
    target.add(transactionOf(1n, 4), decided(4));
    expect(target.takes(transactionOf(2n, 6), publish)).toBe(true);
    expect(target.takes(transactionOf(2n, 7), publish)).toBe(false);
    target.add(transactionOf(2n, 1), decided(0, 0, [refusal]));
    expect(target.takes(transactionOf(3n, 5), publish)).toBe(true);
    expect(target.takes(transactionOf(3n, 6), publish)).toBe(false);
  });

  test('is no more bytes than one Kafka transaction may hold', () => {
    const target = filling();
    target.add(transactionOf(1n, 1), decided(1, 1_000));
    expect(target.takes(transactionOf(2n, 1, { bytes: 1_048 }), publish)).toBe(true);
    expect(target.takes(transactionOf(2n, 1, { bytes: 1_049 }), publish)).toBe(false);
  });

  test('is nothing once it is large enough', () => {
    const many = filling();
    many.add(transactionOf(1n, 8), decided(8));
    expect(many.takes(transactionOf(2n, 1), publish)).toBe(false);
    const large = filling();
    large.add(transactionOf(1n, 1), decided(1, 1_024));
    expect(large.takes(transactionOf(2n, 1), publish)).toBe(false);
  });

  test.each([
    [1, 100],
    [20, 100],
    [50, 250],
    [100, 500],
    [400, 500],
  ])('over %i partitions is %i events, which pay for what each partition costs', (partitions, full) => {
    const wide = { ...publish, batchEvents: 100, batchBytes: 1e9, partEvents: 1e6, partBytes: 1e9 };
    const limits = { ...wide, maxTransactionEvents: 0, maxTransactionBytes: 0 };
    const spread = (count: number) => ({
      ...decided(0),
      records: Array.from({ length: count }, (_, n) => recordOf({ partition: n % partitions })),
    });
    const target = filling();
    target.add(transactionOf(1n, partitions), spread(partitions));
    for (let events = partitions; events < full; events++) {
      expect(target.takes(transactionOf(2n, 1), limits)).toBe(true);
      target.add(transactionOf(2n, 1), spread(1));
    }
    expect(target.takes(transactionOf(3n, 1), limits)).toBe(false);
    // Where the cluster is too slow for that, the limits of one Kafka transaction count.
    const slow = { ...limits, maxTransactionEvents: 60 };
    expect(target.takes(transactionOf(3n, 1), slow)).toBe(false);
  });
});

describe('what a batch covers', () => {
  test('is nothing at first', () => {
    expect(filling().covered).toBeUndefined();
    expect(filling().hasEvents).toBe(false);
  });

  test('is the end of the last whole transaction', () => {
    const target = filling();
    target.add(transactionOf(10n, 2), decided(2));
    target.add(transactionOf(20n, 1, { committedAtMs: 9 }), decided(1));
    const last = { commitLsn: 20n, committedAtMs: 9 };
    expect(target.covered).toEqual({ endLsn: 21n, partial: null, last, beat: undefined });
  });

  test('is the end of the last whole transaction, and how far the one behind it goes', () => {
    const target = filling();
    target.add(transactionOf(10n, 2), decided(2));
    target.add(transactionOf(20n, 3, { endLsn: null, firstOrdinal: 4 }), decided(3));
    expect(target.covered).toMatchObject({ endLsn: 11n, partial: { commitLsn: 20n, ordinal: 7 } });
    target.add(transactionOf(20n, 1, { endLsn: 25n, firstOrdinal: 7 }), decided(1));
    expect(target.covered).toMatchObject({ endLsn: 25n, partial: null });
  });

  test('has no end of its own when it holds but a part', () => {
    const target = filling();
    target.add(transactionOf(20n, 3, { endLsn: null }), decided(3));
    expect(target.covered).toMatchObject({ endLsn: null, partial: { commitLsn: 20n, ordinal: 3 } });
  });

  test('counts rows that became dead letters, or were published before', () => {
    const target = filling();
    target.add(transactionOf(20n, 5, { endLsn: null }), decided(1, 10, [refusal]));
    expect(target.covered).toMatchObject({ partial: { ordinal: 5 } });
  });

  test('has the last heartbeat among its transactions', () => {
    const target = filling();
    target.add(transactionOf(10n, 0, { beat: 4 }), decided(0));
    target.add(transactionOf(20n), decided(0));
    expect(target.covered?.beat).toBe(4);
    target.add(transactionOf(30n, 0, { beat: 5 }), decided(0));
    expect(target.covered?.beat).toBe(5);
  });
});

test('the bytes that capture counts are those of all that was added', () => {
  const target = filling();
  target.add(transactionOf(10n, 2, { bytes: 100 }), decided(2));
  target.add(transactionOf(20n, 1, { bytes: 7 }), decided(1));
  expect(target.capturedBytes).toBe(107);
});

test('a transaction without events has no part in the latency', () => {
  const target = filling();
  target.add(transactionOf(10n, 0, { committedAtMs: 4_000 }), decided(0));
  target.add(transactionOf(20n, 1, { committedAtMs: 5_000 }), decided(1));
  target.add(transactionOf(30n, 1, { committedAtMs: 6_000 }), decided(1));
  expect(target.committedAtMs).toEqual([5_000, 6_000]);
});

test('a transaction without events is covered, and holds no room', () => {
  const target = filling();
  target.add(transactionOf(1n, 0, { bytes: 256 }), decided(0));
  target.add(transactionOf(2n, 1, { bytes: 300 }), decided(1));
  target.add(transactionOf(3n, 0, { bytes: 256, releases: [7] }), decided(0));
  target.add(transactionOf(4n, 0, { bytes: 256 }), decided(0));
  expect(target.capturedBytes).toBe(556);
  expect(target.covered?.endLsn).toBe(5n);
});
