import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { describe, expect, test } from 'vitest';
import { murmur2, partitionOf } from '../../../relay/encode/murmur2.ts';

/** Test vectors of `Utils.murmur2` in Kafka's Java client. */
const vectors: [string, number][] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
];

describe('murmur2', () => {
  test.each(vectors)('of %j is what the Java client computes', (text, expected) => {
    expect(murmur2(Buffer.from(text)) | 0).toBe(expected);
  });
});

describe('the partition of a key', () => {
  const partitioner = Partitioners.DefaultPartitioner();
  const byKafkajs = (key: string, partitions: number): number =>
    partitioner({
      topic: 't',
      message: { key: Buffer.from(key), value: null },
      partitionMetadata: Array.from({ length: partitions }, (_, partitionId) => ({
        partitionErrorCode: 0,
        partitionId,
        leader: 1,
        replicas: [1],
        isr: [1],
      })),
    });

  test('is the one that the Java client chooses: murmur2 without its sign, modulo the partitions', () => {
    for (const [text, hash] of vectors)
      for (const partitions of [1, 7, 12])
        expect(partitionOf(text, partitions)).toBe((hash & 0x7fffffff) % partitions);
  });

  test('is the one that the Java-compatible partitioner of kafkajs chooses, for any text', () => {
    const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(key, fc.integer({ min: 1, max: 1_000 }), (text, partitions) => {
        expect(partitionOf(text, partitions)).toBe(byKafkajs(text, partitions));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each(['', 'ü', '💶', 'Zoë', 'a'.repeat(10_000)])(
    '%j has one below the number of partitions',
    (key) => {
      const partition = partitionOf(key, 12);
      expect(partition).toBe(byKafkajs(key, 12));
      expect(partition >= 0 && partition < 12).toBe(true);
    },
  );
});
