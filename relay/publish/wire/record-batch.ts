/**
 * Decodes the batches of a partition as Kafka stores them. It trusts nothing in them: it verifies the checksum, limits
 * the size of decompressed data (`codecs.ts`), and checks every length against the bytes that are there.
 *
 * kafkajs's decoder is not used: it verifies no checksum, and it misreads a header called `constructor`.
 * @see https://kafka.apache.org/documentation/#recordbatch
 */
import { crc32c } from '@node-rs/crc32';
import { decompress } from '../../connect/compression/codecs.ts';
import { RelayError } from '../../errors.ts';
import { batchField, batchHeaderBytes, codecMask, transactionalAttribute } from './batch-layout.ts';

/** A part of the log that one producer wrote at once. */
export type FetchedBatch = {
  readonly lastOffset: bigint;
  readonly producerId: bigint;
  readonly isTransactional: boolean;
  /** Set in a marker: how the transaction ended. */
  readonly ending?: 'commit' | 'abort';
  readonly records: readonly FetchedRecord[];
};

export type FetchedRecord = {
  readonly offset: bigint;
  /** ms since 1970 */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** In their order; a name may occur more than once. */
  readonly headers: RecordHeaders;
  /** The producer, if it wrote the record in a transaction; otherwise undefined. */
  readonly producerId: bigint | undefined;
  /** Of the producer, likewise. */
  readonly producerEpoch: number | undefined;
};

export type RecordHeaders = readonly (readonly [name: string, value: Buffer | null])[];

/** Bytes that `length` does not count: itself and the offset before it. */
const prefixBytes = 12;

const hasAppendTime = 0x08;
const isControl = 0x20;

/**
 * The batches of a fetch, in order. The last one may be truncated and is left out then. Decoding stops after the batch
 * with which the decoded size exceeds `maxBytes`, so that a compressed answer does not fill the memory.
 * @throws RelayError KAFKA_UNSUITABLE
 */
export async function readBatches(bytes: Buffer, maxBytes: number): Promise<FetchedBatch[]> {
  const batches: FetchedBatch[] = [];
  let read = 0;
  for (let at = 0; at + batchHeaderBytes <= bytes.length && read <= maxBytes; ) {
    const end = at + prefixBytes + bytes.readInt32BE(at + batchField.length);
    if (end > bytes.length) break;
    const { batch, size } = await readBatch(bytes.subarray(at, end));
    batches.push(batch);
    read += size;
    at = end;
  }
  return batches;
}

async function readBatch(bytes: Buffer): Promise<{ batch: FetchedBatch; size: number }> {
  const baseOffset = bytes.readBigInt64BE(batchField.baseOffset);
  // Message sets from before Kafka 0.11 have no headers, so no relay wrote them. Their offset is that of the last
  // message.
  if (bytes.readInt8(batchField.magic) < 2)
    return {
      batch: { lastOffset: baseOffset, producerId: -1n, isTransactional: false, records: [] },
      size: 0,
    };
  if (crc32c(bytes.subarray(batchField.attributes)) !== bytes.readUInt32BE(batchField.crc))
    throw damaged('its checksum does not match');
  const attributes = bytes.readInt16BE(batchField.attributes);
  const common = {
    lastOffset: baseOffset + BigInt(bytes.readInt32BE(batchField.lastOffsetDelta)),
    producerId: bytes.readBigInt64BE(batchField.producerId),
    isTransactional: (attributes & transactionalAttribute) !== 0,
  };
  const stored = bytes.subarray(batchHeaderBytes);
  const codec = attributes & codecMask;
  const plain = codec === 0 ? stored : await decompress(codec, stored);
  const records = readRecords(plain, bytes.readInt32BE(batchField.count), {
    producerId: common.isTransactional ? common.producerId : undefined,
    producerEpoch: common.isTransactional ? bytes.readInt16BE(batchField.producerEpoch) : undefined,
    baseOffset,
    baseMs: Number(bytes.readBigInt64BE(batchField.baseTimestamp)),
    appendedMs:
      attributes & hasAppendTime ? Number(bytes.readBigInt64BE(batchField.maxTimestamp)) : undefined,
  });
  const batch =
    attributes & isControl
      ? { ...common, ending: endingOf(records[0]), records: [] }
      : { ...common, records };
  return { batch, size: plain.length };
}

type Origin = Pick<FetchedRecord, 'producerId' | 'producerEpoch'> & {
  readonly baseOffset: bigint;
  readonly baseMs: number;
  readonly appendedMs: number | undefined;
};

function readRecords(bytes: Buffer, count: number, origin: Origin): FetchedRecord[] {
  const records: FetchedRecord[] = [];
  const reader = new RecordReader(bytes);
  try {
    for (let index = 0; index < count; index++) records.push(reader.record(origin));
  } catch (error) {
    if (error instanceof RangeError) throw damaged('its records cannot be decoded');
    throw error;
  }
  return records;
}

class RecordReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  record({ baseOffset, baseMs, appendedMs, producerId, producerEpoch }: Origin): FetchedRecord {
    this.#varlong(); // its length
    this.#at += 1; // attributes, unused
    const deltaMs = Number(this.#varlong());
    const offset = baseOffset + this.#varlong();
    const key = this.#sized();
    const value = this.#sized();
    const headers: (readonly [string, Buffer | null])[] = [];
    for (let left = this.#varlong(); left > 0n; left--)
      headers.push([this.#sized()?.toString() ?? '', this.#sized()]);
    const timestampMs = appendedMs ?? baseMs + deltaMs;
    return { offset, timestampMs, key, value, headers, producerId, producerEpoch };
  }

  /** Bytes with a length before them; -1 stands for null. */
  #sized(): Buffer | null {
    const size = Number(this.#varlong());
    if (size < 0) return null;
    const end = this.#at + size;
    if (end > this.#bytes.length) throw new RangeError('a length is beyond the end of the batch');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  #varlong(): bigint {
    const first = this.#bytes.readUInt8(this.#at++);
    if (first < 0x80) return BigInt((first >>> 1) ^ -(first & 1));
    let value = BigInt(first & 0x7f);
    for (let shift = 7n; shift < 70n; shift += 7n) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return (value >> 1n) ^ -(value & 1n);
    }
    throw new RangeError('a varint is too long');
  }
}

/** Key of a control record: version and type, two bytes each; type 0 is an abort. */
const endingOf = (control: FetchedRecord | undefined): 'commit' | 'abort' =>
  control?.key?.readInt16BE(2) === 0 ? 'abort' : 'commit';

/** The batch may have been damaged in transit, so the reader retries. */
function damaged(what: string): RelayError {
  return new RelayError('KAFKA_UNAVAILABLE', `a record batch from Kafka is damaged: ${what}`);
}
