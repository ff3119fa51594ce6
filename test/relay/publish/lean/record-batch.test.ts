import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { codecNames } from '../../../../relay/connect/compression/codec-numbers.ts';
import { openCompressor } from '../../../../relay/connect/compression/compressors.ts';
import { exactRecordBytes } from '../../../../relay/encode/record-size.ts';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import { type BatchRecord, RecordBatch, recordBound } from '../../../../relay/publish/lean/record-batch.ts';
import { Decoder as WireDecoder } from '../../../../relay/publish/wire/kafkajs-internals.ts';
import { readBatches } from '../../../../relay/publish/wire/record-batch.ts';

type Decoded = {
  readonly firstOffset: string;
  readonly firstTimestamp: string;
  readonly maxTimestamp: string;
  readonly partitionLeaderEpoch: number;
  readonly inTransaction: boolean;
  readonly lastOffsetDelta: number;
  readonly producerId: string;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly records: readonly {
    readonly offset: string;
    readonly timestamp: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly headers: Readonly<Record<string, Buffer>>;
  }[];
};
type DecoderClass = new (bytes: Buffer) => object;

const kafkajs = createRequire(import.meta.url);
const Decoder: DecoderClass = kafkajs('kafkajs/src/protocol/decoder');
const decodeBatch: (decoder: object) => Promise<Decoded> = kafkajs(
  'kafkajs/src/protocol/recordBatch/v0/decoder',
);
const crc32c: (bytes: Buffer) => number = kafkajs('kafkajs/src/protocol/recordBatch/crc32C');

const seal = { producerId: 123_456_789_012n, producerEpoch: 7, baseSequence: 2 ** 31 - 1 };

function batchOf(records: readonly BatchRecord[], pool = new BufferPool()): RecordBatch {
  const batch = new RecordBatch(pool, 5);
  for (const record of records) batch.append(record, recordBound(record));
  return batch;
}

/** The batch without the eight bytes that precede it in a request. */
const sealed = (batch: RecordBatch): Buffer => batch.seal(seal).subarray(8);

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 200 }),
  fc.constantFrom('', 'a'.repeat(63), 'a'.repeat(64), 'é'.repeat(20), 'x'.repeat(8_200), '😀'.repeat(40)),
);
const record = fc.record({
  key: text,
  value: fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(0, 1, 8_191, 8_192, 40_000, 1_048_576).map((size) => Buffer.alloc(size, 0xab)),
  ),
  // Without the names of Object.prototype, which kafkajs's decoder misreads.
  headers: fc.dictionary(
    text.filter((name) => !(name in {})),
    text,
    { maxKeys: 70 },
  ),
  timestampMs: fc.oneof(
    fc.integer({ min: 1_700_000_000_000, max: 1_700_000_001_000 }),
    fc.integer({ min: 0, max: 4_102_444_800_000 }),
  ),
});

test("kafkajs's own decoder reads what was appended to a batch", async () => {
  const pool = new BufferPool();
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 20 }), async (records) => {
      const batch = batchOf(records, pool);
      const bytes = sealed(batch);
      const decoded = await decodeBatch(new Decoder(bytes));
      expect(decoded).toMatchObject({
        firstOffset: '0',
        firstTimestamp: String(records[0]?.timestampMs),
        maxTimestamp: String(Math.max(...records.map(({ timestampMs }) => timestampMs))),
        partitionLeaderEpoch: -1,
        inTransaction: true,
        lastOffsetDelta: records.length - 1,
        producerId: String(seal.producerId),
        producerEpoch: seal.producerEpoch,
        firstSequence: seal.baseSequence,
      });
      expect(decoded.records).toHaveLength(records.length);
      for (const [index, { key, value, headers, timestampMs }] of records.entries()) {
        const read = decoded.records[index];
        expect(read?.offset).toBe(String(index));
        expect(read?.timestamp).toBe(String(timestampMs));
        expect(read?.key?.toString()).toBe(key.toWellFormed());
        expect(read?.value?.equals(value)).toBe(true);
        const readHeaders = Object.entries(read?.headers ?? {}).map(([name, one]) => [name, String(one)]);
        const written = Object.entries(headers).map(([name, one]) => [
          name.toWellFormed(),
          one.toWellFormed(),
        ]);
        expect(Object.fromEntries(readHeaders)).toEqual(Object.fromEntries(written));
      }
      batch.release();
    }),
    { numRuns: 200 },
  );
});

test('the checksum covers everything from the attributes on, and the sizes are right', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), (records) => {
      const frame = batchOf(records).seal(seal);
      const bytes = frame.subarray(8);
      expect(frame.readInt32BE(0)).toBe(5);
      expect(frame.readInt32BE(4)).toBe(bytes.length);
      expect(bytes.readInt32BE(8)).toBe(bytes.length - 12);
      expect(bytes.readUInt32BE(17)).toBe(crc32c(bytes.subarray(21)) >>> 0);
    }),
    { numRuns: 50 },
  );
});

test('a compact frame holds the same batch, after a size of few bytes and before no tagged fields', () => {
  // The first batch fills its buffer to the last byte but one.
  const filling = 16 * 1024 - 9 - 61 - 1 - recordBound({ key: '', value: null, headers: {}, timestampMs: 0 });
  for (const size of [0, 40, 100, filling, filling + 1, 3_000_000]) {
    const batch = batchOf([{ key: '', value: Buffer.alloc(size, 0xff), headers: {}, timestampMs: 0 }]);
    const fixed = Buffer.from(batch.seal(seal));
    const frame = batch.seal(seal, 'compact');
    expect(frame.readInt32BE(0)).toBe(5);
    const decoder = new WireDecoder(frame.subarray(4));
    expect(decoder.readUVarInt(), `${size} bytes`).toBe(batch.bytes + 1);
    const at = 4 + decoder.offset;
    expect(frame.subarray(at, -1).equals(fixed.subarray(8))).toBe(true);
    expect(frame.at(-1)).toBe(0);
  }
});

test('a record never takes more than its bound', () => {
  fc.assert(
    fc.property(record, (one) => {
      const batch = batchOf([one]);
      expect(batch.bytes - 61).toBeLessThanOrEqual(recordBound(one));
    }),
  );
});

test('a record that is alone in its batch takes exactly the bytes that encode counts', () => {
  fc.assert(
    fc.property(record, (one) => {
      expect(batchOf([one]).bytes - 61).toBe(exactRecordBytes(one.key, one.value, one.headers));
    }),
  );
});

test.each(codecNames)(
  'a batch compressed with %s is never larger, and its records are the same',
  async (name) => {
    const compressor = (await openCompressor(name))!;
    const pool = new BufferPool();
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 5 }), async (records) => {
        const plain = batchOf(records);
        const batch = batchOf(records, pool);
        await batch.compress(compressor);
        expect(batch.bytes).toBeLessThanOrEqual(plain.bytes);
        const [written] = await readBatches(sealed(plain), Number.POSITIVE_INFINITY);
        const [read] = await readBatches(sealed(batch), Number.POSITIVE_INFINITY);
        // `toEqual` takes a second for each megabyte.
        expect(isDeepStrictEqual(read, written)).toBe(true);
        batch.release();
      }),
      { numRuns: 60 },
    );
  },
);

test('a batch is compressed where that pays, and only there', async () => {
  const compressor = (await openCompressor('zstd'))!;
  const sizeOf = async (value: Buffer) => {
    const batch = batchOf([{ key: 'k', value, headers: {}, timestampMs: 5 }]);
    const before = batch.bytes;
    await batch.compress(compressor);
    return { before, after: batch.bytes, codec: sealed(batch).readInt16BE(21) & 7 };
  };
  const noise = randomBytes(10_000);
  const small = await sizeOf(Buffer.alloc(1_000));
  expect(small).toEqual({ before: small.before, after: small.before, codec: 0 });
  const random = await sizeOf(noise);
  expect(random).toEqual({ before: random.before, after: random.before, codec: 0 });
  // A tenth of it is zeros.
  const hardly = await sizeOf(Buffer.concat([noise, Buffer.alloc(1_000)]));
  expect(hardly).toEqual({ before: hardly.before, after: hardly.before, codec: 0 });
  const large = await sizeOf(Buffer.alloc(10_000));
  expect(large.after).toBeLessThan(200);
  expect(large.codec).toBe(4);
});

test('the earlier content of a reused buffer is not visible', () => {
  const pool = new BufferPool();
  const one: BatchRecord = { key: 'k', value: Buffer.from('v'), headers: { id: '1' }, timestampMs: 5 };
  const clean = Buffer.from(sealed(batchOf([one])));
  const used = new RecordBatch(pool, 5);
  used.append({ ...one, value: Buffer.alloc(10_000, 0xff) }, 11_000);
  used.seal(seal).fill(0xff);
  used.release();
  expect(pool.idleBytes).toBeGreaterThan(0);
  const again = batchOf([one], pool);
  expect(pool.idleBytes).toBe(0);
  expect(sealed(again).equals(clean)).toBe(true);
});
