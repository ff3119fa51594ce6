import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import { type BatchRecord, RecordBatch, recordBound } from '../../../../relay/publish/lean/record-batch.ts';
import { readBatches } from '../../../../relay/publish/wire/record-batch.ts';

const maxBytes = 1_000_000;

function bytesOf(records: readonly BatchRecord[], baseOffset = 0n): Buffer {
  const batch = new RecordBatch(new BufferPool(), 5);
  for (const record of records) batch.append(record, recordBound(record));
  const bytes = Buffer.from(
    batch.seal({ producerId: 123_456_789_012n, producerEpoch: 7, baseSequence: 0 }).subarray(8),
  );
  bytes.writeBigInt64BE(baseOffset, 0);
  return bytes;
}

const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((each) => each.isWellFormed());
const record = fc.record({
  key: text,
  value: fc.option(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))),
  headers: fc.dictionary(text, text, { maxKeys: 5 }),
  timestampMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
});

test('a batch is read as it was written, with headers of any name', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 5 }), async (records) => {
      const [batch] = await readBatches(bytesOf(records, 40n), maxBytes);
      expect(batch).toMatchObject({
        lastOffset: 39n + BigInt(records.length),
        producerId: 123_456_789_012n,
        isTransactional: true,
      });
      const read = batch!.records.map(({ key, value, headers, timestampMs, offset }) => [
        offset,
        timestampMs,
        key?.toString(),
        value?.toString('hex'),
        headers.map(([name, each]) => [name, each?.toString()]),
      ]);
      const written = records.map(({ key, value, headers, timestampMs }, index) => [
        40n + BigInt(index),
        timestampMs,
        key,
        value?.toString('hex'),
        Object.entries(headers),
      ]);
      expect(read).toEqual(written);
    }),
  );
  const named = { constructor: 'c', toString: 't' } as unknown as Record<string, string>;
  const [batch] = await readBatches(
    bytesOf([{ key: 'k', value: null, headers: named, timestampMs: 1 }]),
    maxBytes,
  );
  expect(batch!.records[0]!.headers.map(([name, value]) => [name, String(value)])).toEqual(
    Object.entries(named),
  );
});

const plain = { key: 'k', value: Buffer.alloc(100), headers: {}, timestampMs: 1 };

test('a truncated batch is left out, and decoding stops at the size limit', async () => {
  const all = Buffer.concat([bytesOf([plain], 0n), bytesOf([plain], 1n), bytesOf([plain], 2n)]);
  expect(await readBatches(all, maxBytes)).toHaveLength(3);
  expect(await readBatches(all.subarray(0, -1), maxBytes)).toHaveLength(2);
  expect(await readBatches(all, 150)).toHaveLength(2);
});

test('a damaged batch is an error that is retried, and false lengths are no more than an error', async () => {
  const bytes = bytesOf([plain, plain]);
  for (let at = 21; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes);
    damaged[at] = damaged[at]! ^ 1;
    await expect(readBatches(damaged, maxBytes)).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    damaged[at] = 255 - (at % 256);
    // With a valid checksum.
    damaged.writeUInt32BE(crc32c(damaged.subarray(21)), 17);
    const read = await readBatches(damaged, maxBytes).catch((error: unknown) => error);
    if (!Array.isArray(read)) expect(read).toMatchObject({ code: expect.stringMatching(/^KAFKA_/) });
  }
});

test('messages from before Kafka 0.11 are skipped by their offset', async () => {
  const old = bytesOf([plain], 7n);
  old.writeInt8(1, 16);
  expect(await readBatches(old, maxBytes)).toMatchObject([{ lastOffset: 7n, records: [] }]);
});
