/**
 * Decodes the few requests that the relay encodes itself, and encodes the answers. So the relay's encoding is a part of the
 * simulation.
 */
import { crc32c } from '@node-rs/crc32';

export type DecodedRecord = {
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
};

export type DecodedBatch = {
  readonly topic: string;
  readonly partition: number;
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly records: readonly DecodedRecord[];
  /** As it was written, for a Fetch to return. */
  readonly bytes: Buffer;
};

export type DecodedRequest =
  | { readonly api: 'Produce'; readonly transactionalId: string; readonly batches: readonly DecodedBatch[] }
  | {
      readonly api: 'AddPartitionsToTxn';
      readonly transactionalId: string;
      readonly producerId: number;
      readonly epoch: number;
      readonly partitions: readonly { readonly topic: string; readonly partition: number }[];
    }
  | {
      readonly api: 'EndTxn';
      readonly transactionalId: string;
      readonly producerId: number;
      readonly epoch: number;
      readonly isCommit: boolean;
    }
  | (Place & { readonly api: 'Fetch'; readonly fromOffset: number; readonly maxWaitMs: number });

export type Place = { readonly topic: string; readonly partition: number };

class Reader {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  byte(): number {
    return this.#bytes.readInt8(this.at++);
  }

  int16(): number {
    this.at += 2;
    return this.#bytes.readInt16BE(this.at - 2);
  }

  int32(): number {
    this.at += 4;
    return this.#bytes.readInt32BE(this.at - 4);
  }

  int64(): number {
    this.at += 8;
    return Number(this.#bytes.readBigInt64BE(this.at - 8));
  }

  take(length: number): Buffer {
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  string(): string {
    return this.take(this.int16()).toString();
  }

  /** Zigzag; what the relay writes here stays below 2^31. */
  varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: this.int32() }, read);
  }
}

const headBytes = 14;

/** @param bytes with size and request header */
export function decodeRequest(bytes: Buffer): DecodedRequest {
  const api = bytes.readInt16BE(4);
  const reader = new Reader(bytes.subarray(headBytes + bytes.readInt16BE(12)));
  if (api === 1) return decodeFetch(reader);
  const transactionalId = reader.string();
  if (api === 0) return { api: 'Produce', transactionalId, batches: decodeProduce(reader) };
  const producerId = reader.int64();
  const epoch = reader.int16();
  if (api === 26) return { api: 'EndTxn', transactionalId, producerId, epoch, isCommit: reader.byte() === 1 };
  if (api !== 24) throw new Error(`unknown request ${api}`);
  const topics = reader.list(() => {
    const topic = reader.string();
    return reader.list(() => ({ topic, partition: reader.int32() }));
  });
  return { api: 'AddPartitionsToTxn', transactionalId, producerId, epoch, partitions: topics.flat() };
}

/** Of one partition. */
function decodeFetch(reader: Reader): DecodedRequest {
  reader.int32();
  const maxWaitMs = reader.int32();
  reader.int32();
  reader.int32();
  reader.byte();
  reader.int32();
  const topic = reader.string();
  reader.int32();
  return { api: 'Fetch', topic, partition: reader.int32(), fromOffset: reader.int64(), maxWaitMs };
}

function decodeProduce(reader: Reader): DecodedBatch[] {
  reader.int16();
  reader.int32();
  const topics = reader.list(() => {
    const topic = reader.string();
    return reader.list(() => {
      const partition = reader.int32();
      return decodeBatch(topic, partition, reader.take(reader.int32()));
    });
  });
  return topics.flat();
}

function decodeBatch(topic: string, partition: number, bytes: Buffer): DecodedBatch {
  const count = bytes.readInt32BE(57);
  const reader = new Reader(bytes);
  reader.at = 61;
  return {
    topic,
    partition,
    producerId: Number(bytes.readBigInt64BE(43)),
    epoch: bytes.readInt16BE(51),
    sequence: bytes.readInt32BE(53),
    records: Array.from({ length: count }, () => decodeRecord(reader)),
    bytes: Buffer.from(bytes),
  };
}

function decodeRecord(reader: Reader): DecodedRecord {
  reader.varint();
  reader.byte();
  reader.varint();
  reader.varint();
  const key = reader.take(reader.varint()).toString();
  const value = Buffer.from(reader.take(reader.varint()));
  const headers: Record<string, string> = {};
  for (let left = reader.varint(); left > 0; left--) {
    const name = reader.take(reader.varint()).toString();
    headers[name] = reader.take(reader.varint()).toString();
  }
  return { key, value, headers };
}

class Writer {
  readonly #parts: Buffer[] = [];

  int16(value: number): this {
    const bytes = Buffer.alloc(2);
    bytes.writeInt16BE(value);
    this.#parts.push(bytes);
    return this;
  }

  int32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    this.#parts.push(bytes);
    return this;
  }

  int64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(BigInt(value));
    this.#parts.push(bytes);
    return this;
  }

  string(text: string): this {
    this.int16(Buffer.byteLength(text));
    this.#parts.push(Buffer.from(text));
    return this;
  }

  raw(bytes: Buffer): this {
    this.int32(bytes.length);
    this.#parts.push(bytes);
    return this;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function byTopic<T extends Place>(items: readonly T[]): [string, T[]][] {
  return [...Map.groupBy(items, ({ topic }) => topic)];
}

export function encodeProduceAnswer(
  answers: readonly (Place & { readonly error: number; readonly offset: number })[],
): Buffer {
  const writer = new Writer();
  const topics = byTopic(answers);
  writer.int32(topics.length);
  for (const [topic, group] of topics) {
    writer.string(topic).int32(group.length);
    for (const { partition, error, offset } of group)
      writer.int32(partition).int16(error).int64(offset).int64(-1).int64(0);
  }
  return writer.int32(0).bytes;
}

export function encodeAddPartitionsAnswer(partitions: readonly Place[], error: number): Buffer {
  const writer = new Writer().int32(0);
  const topics = byTopic(partitions);
  writer.int32(topics.length);
  for (const [topic, group] of topics) {
    writer.string(topic).int32(group.length);
    for (const { partition } of group) writer.int32(partition).int16(error);
  }
  return writer.bytes;
}

export function encodeEndTxnAnswer(error: number): Buffer {
  return new Writer().int32(0).int16(error).bytes;
}

export type FetchedBatches = Place & {
  readonly stableOffset: number;
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[];
  readonly batches: readonly Buffer[];
};

export function encodeFetchAnswer(answer: FetchedBatches): Buffer {
  const { topic, partition, stableOffset, aborted, batches } = answer;
  const writer = new Writer().int32(0).int32(1).string(topic).int32(1).int32(partition).int16(0);
  writer.int64(stableOffset).int64(stableOffset).int32(aborted.length);
  for (const { producerId, firstOffset } of aborted) writer.int64(producerId).int64(firstOffset);
  return writer.raw(Buffer.concat(batches)).bytes;
}

/** A batch as the log holds it: the offset is in the first bytes, outside the checksum. */
export function placeBatch(bytes: Buffer, offset: number): Buffer {
  bytes.writeBigInt64BE(BigInt(offset), 0);
  return bytes;
}

const headerBytes = 61;
const transactionalControl = 0x30;

/** The batch that ends a transaction: one control record. */
export function encodeMarker(producerId: number, epoch: number, isCommit: boolean): Buffer {
  // Length 16, attributes, timestamp, offset, a key of 4 bytes, a value of 6, no headers.
  const record = Buffer.from([32, 0, 0, 0, 8, 0, 0, 0, isCommit ? 1 : 0, 12, 0, 0, 0, 0, 0, 0, 0]);
  const bytes = Buffer.alloc(headerBytes + record.length);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt32BE(-1, 12);
  bytes.writeInt8(2, 16);
  bytes.writeInt16BE(transactionalControl, 21);
  bytes.writeBigInt64BE(BigInt(producerId), 43);
  bytes.writeInt16BE(epoch, 51);
  bytes.writeInt32BE(-1, 53);
  bytes.writeInt32BE(1, 57);
  record.copy(bytes, headerBytes);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}
