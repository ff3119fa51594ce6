/** Record batches as bytes: what the relay has written, and the markers that the coordinator writes. */
import { crc32c } from '@node-rs/crc32';
import { Reader } from './bytes.ts';

export type Place = { readonly topic: string; readonly partition: number };

export type DecodedRecord = {
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
};

export type DecodedBatch = Place & {
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly records: readonly DecodedRecord[];
  /** As it was written, for a Fetch to return. */
  readonly bytes: Buffer;
};

export function decodeBatch({ topic, partition }: Place, bytes: Buffer): DecodedBatch {
  const count = bytes.readInt32BE(57);
  const reader = new Reader(bytes);
  reader.at = headerBytes;
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

/** What a Fetch under `read_committed` returns of one partition. */
export type FetchedBatches = Place & {
  readonly stableOffset: number;
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[];
  readonly batches: readonly Buffer[];
};
