import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BatchBuilder,
  isCompressible,
  type PartitionSlice,
  toTopicMessages,
} from '../../../../relay/publish/kafkajs/batch.ts';
import { recordOf } from '../records.ts';

const maxSliceBytes = 768 * 1024;
const maxSendMessages = 2_000;

type Sent = { topic: string; partition: number; bytes: number };

function build(sent: readonly Sent[]): { batch: BatchBuilder; bytesOf: (number: string) => number } {
  const batch = new BatchBuilder();
  for (const [number, one] of sent.entries()) batch.append(recordOf({ ...one, key: String(number) }));
  return { batch, bytesOf: (number) => sent[Number(number)]?.bytes ?? 0 };
}

const keysOf = (slices: readonly PartitionSlice[]) =>
  slices.flatMap(({ messages }) => messages.map(({ key }) => String(key)));

const random = fc.array(
  fc.record({
    topic: fc.constantFrom('a', 'b'),
    partition: fc.integer({ min: 0, max: 2 }),
    bytes: fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 1, max: 2_000 }) },
      { weight: 2, arbitrary: fc.integer({ min: 200_000, max: maxSliceBytes + 1 }) },
    ),
  }),
  { maxLength: 60 },
);

test('every record is sent once, in the order of its partition', () => {
  fc.assert(
    fc.property(random, (sent) => {
      const { batch } = build(sent);
      const seen = new Map<string, string[]>();
      for (const send of batch.sends())
        for (const slice of send) {
          const name = `${slice.topic}/${slice.partition}`;
          seen.set(name, [...(seen.get(name) ?? []), ...keysOf([slice])]);
        }
      const expected = new Map<string, string[]>();
      for (const [number, { topic, partition }] of sent.entries()) {
        const name = `${topic}/${partition}`;
        expected.set(name, [...(expected.get(name) ?? []), String(number)]);
      }
      expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(expected));
    }),
  );
});

test('a send holds at most one record batch per partition, and none that is too large', () => {
  fc.assert(
    fc.property(random, (sent) => {
      const { batch, bytesOf } = build(sent);
      for (const send of batch.sends()) {
        expect(send.length).toBeGreaterThan(0);
        const partitions = send.map(({ topic, partition }) => `${topic}/${partition}`);
        expect(new Set(partitions).size).toBe(partitions.length);
        for (const slice of send) {
          const keys = keysOf([slice]);
          expect(keys.length).toBeGreaterThan(0);
          // A larger record has a batch of its own.
          if (keys.length > 1)
            expect(keys.reduce((sum, key) => sum + bytesOf(key), 0)).toBeLessThanOrEqual(maxSliceBytes);
        }
      }
    }),
  );
});

test('a send holds no more records than kafkajs can group quickly', () => {
  const one = build(Array.from({ length: 4_001 }, () => ({ topic: 'a', partition: 0, bytes: 1 }))).batch;
  expect([...one.sends()].map((send) => keysOf(send).length)).toEqual([2_000, 2_000, 1]);
  const spread = Array.from({ length: 6_000 }, (_, index) => ({
    topic: 'a',
    partition: index % 12,
    bytes: 1,
  }));
  for (const send of build(spread).batch.sends())
    expect(keysOf(send).length).toBeLessThanOrEqual(maxSendMessages);
});

test('an empty batch has no send', () => {
  expect([...new BatchBuilder().sends()]).toEqual([]);
});

describe('a batch', () => {
  test('knows its events, its bytes, and the events of each topic and partition', () => {
    const { batch } = build([
      { topic: 'a', partition: 0, bytes: 10 },
      { topic: 'a', partition: 1, bytes: 20 },
      { topic: 'b', partition: 0, bytes: 30 },
    ]);
    expect([batch.events, batch.bytes]).toEqual([3, 60]);
    expect(Object.fromEntries(batch.eventsByTopic())).toEqual({ a: 2, b: 1 });
    expect([...batch.eventsByPartition()]).toEqual([
      { topic: 'a', partition: 0, events: 1 },
      { topic: 'a', partition: 1, events: 1 },
      { topic: 'b', partition: 0, events: 1 },
    ]);
  });

  test('sends key, value, headers, time and partition as they were given', () => {
    const batch = new BatchBuilder();
    const record = recordOf({ partition: 3, timestampMs: 1_767_323_045_678 });
    batch.append(record);
    const [send] = [...batch.sends()];
    expect(toTopicMessages(send ?? [])).toEqual([
      {
        topic: record.topic,
        messages: [
          {
            key: 'k',
            value: record.value,
            partition: 3,
            timestamp: '1767323045678',
            headers: record.headers,
          },
        ],
      },
    ]);
  });
});

test('a send has one entry per topic, because kafkajs refuses a topic that occurs twice', () => {
  const { batch } = build([
    { topic: 'a', partition: 0, bytes: 1 },
    { topic: 'b', partition: 0, bytes: 1 },
    { topic: 'a', partition: 1, bytes: 1 },
  ]);
  const [send] = [...batch.sends()];
  const entries = toTopicMessages(send ?? []).map(({ topic, messages }) => [
    topic,
    messages.map(({ key }) => key),
  ]);
  expect(entries).toEqual([
    ['a', ['0', '2']],
    ['b', ['1']],
  ]);
});

test('a record batch is no larger than its topic allows', () => {
  const batch = new BatchBuilder();
  for (let number = 0; number < 7; number++)
    batch.append(recordOf({ key: String(number), bytes: 100, maxBatchBytes: 300 }));
  expect([...batch.sends()].map(keysOf)).toEqual([['0', '1', '2'], ['3', '4', '5'], ['6']]);
});

describe('a send is compressed', () => {
  const sendOf = (...sent: readonly (Sent & { maxBatchBytes?: number })[]) =>
    [...build(sent).batch.sends()].flat();
  const at = (partition: number, bytes: number, maxBatchBytes = 1_048_527) => ({
    topic: 'a',
    partition,
    bytes,
    maxBatchBytes,
  });

  test('where its batches are large enough on average', () => {
    expect(isCompressible(sendOf(at(0, 1_024)))).toBe(true);
    expect(isCompressible(sendOf(at(0, 1_023)))).toBe(false);
    expect(isCompressible(sendOf(at(0, 100), at(1, 100)))).toBe(false);
    expect(isCompressible(sendOf(at(0, 100), at(1, 2_000)))).toBe(true);
  });

  test('unless one of its batches might get too large for its topic by it', () => {
    expect(isCompressible(sendOf(at(0, 850_000)))).toBe(true);
    expect(isCompressible(sendOf(at(0, 1_000_000)))).toBe(false);
    expect(isCompressible(sendOf(at(0, 100_000), at(1, 20_000, 20_000)))).toBe(false);
    expect(isCompressible(sendOf(at(0, 5_000), at(0, 5_000, 11_000)))).toBe(false);
  });
});
