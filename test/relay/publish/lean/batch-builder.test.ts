import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openCompressor } from '../../../../relay/connect/compression/compressors.ts';
import { LeanBatchBuilder } from '../../../../relay/publish/lean/batch-builder.ts';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import { planRequests } from '../../../../relay/publish/lean/produce-plan.ts';
import { recordOf } from '../records.ts';

const maxBatchBytes = 768 * 1024;

test('a partition gets another record batch before one grows beyond the limit', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(sizes, (values) => {
      const builder = new LeanBatchBuilder(new BufferPool());
      for (const size of values) builder.append(recordOf({ value: Buffer.alloc(size) }));
      const batches = [...builder.partitions()].flatMap((part) => part.batches);
      expect(batches.reduce((sum, { count }) => sum + count, 0)).toBe(values.length);
      for (const { bytes } of batches) expect(bytes).toBeLessThanOrEqual(maxBatchBytes + 61);
      builder.release();
    }),
    { numRuns: 50 },
  );
});

test('a record beyond the limit has a batch of its own', () => {
  const builder = new LeanBatchBuilder(new BufferPool());
  for (const size of [10, 900_000, 10]) builder.append(recordOf({ value: Buffer.alloc(size) }));
  const batches = [...builder.partitions()].flatMap((part) => part.batches);
  expect(batches.map(({ count }) => count)).toEqual([1, 1, 1]);
});

test('a topic that allows only small record batches gets small ones', () => {
  const builder = new LeanBatchBuilder(new BufferPool());
  const value = Buffer.alloc(1_000);
  for (let i = 0; i < 40; i++) {
    builder.append(recordOf({ topic: 'small', value, maxBatchBytes: 9_939 }));
    builder.append(recordOf({ topic: 'other', value }));
  }
  const parts = [...builder.partitions()];
  const small = parts.find(({ topic }) => topic === 'small')?.batches ?? [];
  expect(small.length).toBeGreaterThan(3);
  for (const { bytes } of small) expect(bytes).toBeLessThanOrEqual(10_000);
  expect(parts.find(({ topic }) => topic === 'other')?.batches).toHaveLength(1);
});

test('events and bytes are counted, and still known after the buffers are returned', () => {
  const pool = new BufferPool();
  const builder = new LeanBatchBuilder(pool);
  builder.append(recordOf({ topic: 'a', bytes: 10 }));
  builder.append(recordOf({ topic: 'a', partition: 3, bytes: 20 }));
  builder.append(recordOf({ topic: 'b', bytes: 30 }));
  // In a record batch of its own.
  builder.append(recordOf({ topic: 'b', bytes: 30, maxBatchBytes: 1 }));
  expect([...builder.eventsByPartition()]).toEqual([
    { topic: 'a', partition: 0, events: 1 },
    { topic: 'a', partition: 3, events: 1 },
    { topic: 'b', partition: 0, events: 2 },
  ]);
  builder.release();
  expect(builder.events).toBe(4);
  expect(builder.bytes).toBe(90);
  expect(Object.fromEntries(builder.eventsByTopic())).toEqual({ a: 2, b: 2 });
  expect([...builder.partitions()]).toEqual([]);
  expect(pool.idleBytes).toBeGreaterThan(0);
});

test('batches that are in flight or filling share no buffer, and the idle memory is bounded', () => {
  const pool = new BufferPool();
  const builders = Array.from({ length: 30 }, () => new LeanBatchBuilder(pool));
  for (const builder of builders) builder.append(recordOf({ value: Buffer.alloc(700_000) }));
  const frames = builders.flatMap((builder) =>
    [...builder.partitions()].flatMap((part) =>
      part.batches.map((batch) => batch.seal({ producerId: 1n, producerEpoch: 0, baseSequence: 0 })),
    ),
  );
  expect(new Set(frames.map(({ buffer }) => buffer)).size).toBe(30);
  for (const builder of builders) builder.release();
  expect(pool.idleBytes).toBeLessThanOrEqual(8 * 1024 * 1024);
});

test('a request holds at most one record batch per partition, in order, and its size is bounded', () => {
  const part = fc.array(fc.integer({ min: 1, max: 700_000 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (partitions) => {
      const builder = new LeanBatchBuilder(new BufferPool());
      for (const [partition, sizes] of partitions.entries())
        for (const size of sizes) builder.append(recordOf({ partition, value: Buffer.alloc(size) }));
      const parts = [...builder.partitions()];
      const requests = planRequests(parts, 1_000_000);
      for (const request of requests) {
        expect(request.length).toBeGreaterThan(0);
        expect(new Set(request.map(({ partition }) => partition)).size).toBe(request.length);
        const bytes = request.reduce((sum, { batch }) => sum + batch.bytes, 0);
        if (request.length > 1) expect(bytes).toBeLessThanOrEqual(1_000_000);
      }
      for (const { partition, batches } of parts) {
        const sent = requests.flat().filter((one) => one.partition === partition);
        expect(sent.map(({ batch }) => batch)).toEqual(batches);
      }
      builder.release();
    }),
    { numRuns: 50 },
  );
});

test('the bytes that were sent are those of the compressed batches', async () => {
  const compressor = (await openCompressor('zstd'))!;
  const sent = async (isCompressed: boolean) => {
    const builder = new LeanBatchBuilder(new BufferPool());
    for (const partition of [0, 1]) builder.append(recordOf({ partition, value: Buffer.alloc(50_000) }));
    if (isCompressed) await builder.compress(compressor);
    builder.release();
    return builder.sentBytes;
  };
  expect(await sent(false)).toBeGreaterThan(100_000);
  expect(await sent(true)).toBeLessThan(1_000);
});
