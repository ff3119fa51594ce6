/**
 * Owns the layout of a record batch (magic 2). Each record is written once, straight into the buffer that is sent. The
 * header is filled in when the batch is sealed, because the sequence number is not known before.
 * @see https://kafka.apache.org/documentation/#recordbatch
 */
import { crc32c } from '@node-rs/crc32';
import type { Compressor } from '../../connect/compression/compressors.ts';
import type { OutboundRecord } from '../../encode/record.ts';
import { batchField, batchHeaderBytes, transactionalAttribute } from '../wire/batch-layout.ts';
import { leastCompressedBytes, pays } from '../wire/compression.ts';
import { compactLengthBytes } from '../wire/fields.ts';
import { writeUvarint } from '../wire/uvarint.ts';
import type { BufferPool } from './buffer-pool.ts';
import { varintBytes, writeText, writeVarint, writeVarlong } from './varint.ts';

/** The part of a record that a batch needs. */
export type BatchRecord = Pick<OutboundRecord, 'key' | 'value' | 'headers' | 'timestampMs'>;

/** The producer that sends a batch, and the sequence number of the batch's first record. */
export type Seal = {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
};

/**
 * How a Produce request frames a batch: the partition and the size before it; in a flexible version the size is an
 * unsigned varint, and tagged fields, of which there are none, follow. In the same buffer, so that one write sends all.
 */
export type Framing = 'fixed' | 'compact';

/** Partition, and a size of at most five bytes. */
const frameBytes = 9;
const tailBytes = 1;

/** Length 5, attributes 1, timestamp 10, offset 5, key 5, value 5, number of headers 5. */
const recordOverheadBytes = 36;
/** Length of the name and of the value. */
const headerOverheadBytes = 10;
/** Most UTF-8 bytes of one UTF-16 unit. */
const unitBytes = 3;

/** Upper bound of a record's bytes. It avoids the exact length of texts, which costs as much as writing them. */
export function recordBound({ key, value, headers }: BatchRecord): number {
  let units = key.length;
  let bytes = recordOverheadBytes + (value?.length ?? 0);
  for (const name in headers) {
    units += name.length + headers[name]!.length;
    bytes += headerOverheadBytes;
  }
  return bytes + units * unitBytes;
}

export class RecordBatch {
  readonly partition: number;
  readonly #pool: BufferPool;
  #bytes: Buffer;
  #end = frameBytes + batchHeaderBytes;
  #count = 0;
  #baseTimestampMs = 0;
  #maxTimestampMs = 0;
  /** Number of the codec; 0 = uncompressed. */
  #codec = 0;

  constructor(pool: BufferPool, partition: number, leastBytes = 0) {
    this.#pool = pool;
    this.partition = partition;
    this.#bytes = pool.take(frameBytes + batchHeaderBytes + leastBytes + tailBytes);
  }

  get count(): number {
    return this.#count;
  }

  /** Size of the whole batch with its header, as it is sent: the topic's max.message.bytes limits it. */
  get bytes(): number {
    return this.#end - frameBytes;
  }

  /** @param bound upper bound of the record's bytes, from `recordBound` */
  append(record: BatchRecord, bound: number): void {
    const needed = this.#end + bound + tailBytes;
    if (needed > this.#bytes.length) this.#grow(needed);
    const { key, value, headers, timestampMs } = record;
    if (this.#count === 0) this.#baseTimestampMs = this.#maxTimestampMs = timestampMs;
    else if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    const bytes = this.#bytes;
    const start = this.#end;
    // Nearly all records have 64 bytes to 8 KiB, whose length takes two bytes. Any other record is moved once.
    const body = start + 2;
    bytes[body] = 0;
    let at = writeVarlong(bytes, body + 1, timestampMs - this.#baseTimestampMs);
    at = writeVarint(bytes, at, this.#count);
    at = writeText(bytes, at, key);
    if (value === null) at = writeVarint(bytes, at, nullLength);
    else {
      at = writeVarint(bytes, at, value.length);
      bytes.set(value, at);
      at += value.length;
    }
    at = writeHeaders(bytes, at, headers);
    const size = at - body;
    const lengthBytes = varintBytes(size);
    if (lengthBytes !== 2) bytes.copyWithin(start + lengthBytes, body, at);
    writeVarint(bytes, start, size);
    this.#end = start + lengthBytes + size;
    this.#count += 1;
  }

  /**
   * Compresses the records in place. They stay as they are unless that makes the batch smaller, so that a batch which
   * fits the topic uncompressed fits in any case. Append nothing afterwards.
   */
  async compress({ codec, compress }: Compressor): Promise<void> {
    const start = frameBytes + batchHeaderBytes;
    const plain = this.#bytes.subarray(start, this.#end);
    if (plain.length < leastCompressedBytes) return;
    const answer = compress(plain);
    const compressed = answer instanceof Promise ? await answer : answer;
    if (!pays(compressed.length, plain.length)) return;
    this.#bytes.set(compressed, start);
    this.#end = start + compressed.length;
    this.#codec = codec;
  }

  /**
   * Fills in the header.
   * @returns the framed batch as a Produce request holds it; valid until `release`
   */
  seal({ producerId, producerEpoch, baseSequence }: Seal, framing: Framing = 'fixed'): Buffer {
    const bytes = this.#bytes;
    const at = frameBytes;
    bytes.writeBigInt64BE(0n, at + batchField.baseOffset);
    bytes.writeInt32BE(this.bytes - batchField.leaderEpoch, at + batchField.length);
    bytes.writeInt32BE(-1, at + batchField.leaderEpoch);
    bytes[at + batchField.magic] = 2;
    bytes.writeInt16BE(transactionalAttribute | this.#codec, at + batchField.attributes);
    bytes.writeInt32BE(this.#count - 1, at + batchField.lastOffsetDelta);
    bytes.writeBigInt64BE(BigInt(this.#baseTimestampMs), at + batchField.baseTimestamp);
    bytes.writeBigInt64BE(BigInt(this.#maxTimestampMs), at + batchField.maxTimestamp);
    bytes.writeBigInt64BE(producerId, at + batchField.producerId);
    bytes.writeInt16BE(producerEpoch, at + batchField.producerEpoch);
    bytes.writeInt32BE(baseSequence, at + batchField.baseSequence);
    bytes.writeInt32BE(this.#count, at + batchField.count);
    bytes.writeUInt32BE(crc32c(bytes.subarray(at + batchField.attributes, this.#end)), at + batchField.crc);
    return framing === 'fixed' ? this.#frame() : this.#compactFrame();
  }

  #frame(): Buffer {
    const start = frameBytes - 8;
    this.#bytes.writeInt32BE(this.partition, start);
    this.#bytes.writeInt32BE(this.bytes, start + 4);
    return this.#bytes.subarray(start, this.#end);
  }

  #compactFrame(): Buffer {
    const start = frameBytes - 4 - compactLengthBytes(this.bytes);
    this.#bytes.writeInt32BE(this.partition, start);
    writeUvarint(this.#bytes, start + 4, this.bytes + 1);
    this.#bytes[this.#end] = 0;
    return this.#bytes.subarray(start, this.#end + tailBytes);
  }

  /** Returns the buffer to the pool. The batch must not be used again. */
  release(): void {
    this.#pool.give(this.#bytes);
    this.#bytes = nothing;
  }

  #grow(leastBytes: number): void {
    const bytes = this.#pool.take(leastBytes);
    this.#bytes.copy(bytes, 0, 0, this.#end);
    this.#pool.give(this.#bytes);
    this.#bytes = bytes;
  }
}

const nothing = Buffer.alloc(0);
/** The length that stands for a null value. */
const nullLength = -1;

function writeHeaders(bytes: Buffer, start: number, headers: BatchRecord['headers']): number {
  const names = Object.keys(headers);
  let at = writeVarint(bytes, start, names.length);
  for (const name of names) {
    at = writeText(bytes, at, name);
    at = writeText(bytes, at, headers[name]!);
  }
  return at;
}
