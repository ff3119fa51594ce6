/**
 * Reads one partition under `read_committed`: the request, its answer, and which records of the answer are committed.
 *
 * This decodes the answer itself, because kafkajs's list of messages lacks two things: the last offset of a batch that
 * compaction has emptied, without which a reader never gets past it, and whether a record with the key 00000000 is a
 * control record.
 * @see https://kafka.apache.org/protocol#The_Messages_Fetch
 */
import { Fields, textBytes } from './fields.ts';
import { Decoder, protocolError, type Throttled } from './kafkajs-internals.ts';
import type { WireRequest } from './kafkajs-wire.ts';
import { type FetchedBatch, type FetchedRecord, readBatches } from './record-batch.ts';

export type { FetchedBatch, FetchedRecord } from './record-batch.ts';

export type FetchOptions = {
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: bigint;
  /** How long the broker may wait for records before it answers. */
  readonly maxWaitMs: number;
  /** The broker returns the first batch whole even if it is larger. */
  readonly maxBytes: number;
  /** Also what is in open transactions. */
  readonly isUncommitted?: boolean;
};

export type FetchAnswer = Throttled & {
  /** End of the log, including transactions that are still open. */
  readonly highWatermark: bigint;
  /** Aborted transactions in the fetched range, with the offset of their first record. */
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[];
  readonly batches: readonly FetchedBatch[];
};

const readCommitted = 1;

/** Compressed batches may decompress to many times the size of the answer. What is beyond this is fetched again. */
const maxAnswerBytes = 32 * 1024 * 1024;

export function fetchRequest(options: FetchOptions): WireRequest {
  const { topic, partition, fromOffset, maxWaitMs, maxBytes } = options;
  const fields = new Fields(17 + 4 + textBytes(topic) + 4 + 16);
  fields.int32(-1); // a client, not a replica
  fields.int32(maxWaitMs);
  fields.int32(1); // answer at the first byte
  fields.int32(maxBytes);
  fields.byte(options.isUncommitted === true ? 0 : readCommitted);
  fields.int32(1);
  fields.string(topic);
  fields.int32(1);
  fields.int32(partition);
  fields.int64(fromOffset);
  fields.int32(maxBytes);
  return { apiKey: 1, apiName: 'Fetch', apiVersion: 4, body: [fields.bytes] };
}

/** @throws the error that the partition's code stands for */
export async function decodeFetch(payload: Buffer): Promise<FetchAnswer> {
  const decoder = new Decoder(payload);
  decoder.readInt32(); // throttle time
  decoder.readInt32(); // one topic
  decoder.readString();
  decoder.readInt32(); // one partition
  decoder.readInt32();
  const errorCode = decoder.readInt16();
  if (errorCode !== 0) throw protocolError(errorCode);
  const highWatermark = decoder.readInt64();
  decoder.readInt64(); // last stable offset
  const aborted = decoder.readArray(() => ({
    producerId: decoder.readInt64(),
    firstOffset: decoder.readInt64(),
  }));
  const batches = await readBatches(decoder.readBytes() ?? Buffer.alloc(0), maxAnswerBytes);
  return { highWatermark, aborted, batches };
}

/**
 * The committed records from `fromOffset` on, and the offset to continue at. A fetch under `read_committed` ends before
 * the first open transaction, so a transactional record is committed unless its transaction is listed as aborted.
 */
export function committedRecords(
  { aborted, batches }: Pick<FetchAnswer, 'aborted' | 'batches'>,
  fromOffset: bigint,
): { readonly records: readonly FetchedRecord[]; readonly nextOffset: bigint } {
  const toCome = aborted.toSorted((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
  const aborting = new Set<bigint>();
  const records: FetchedRecord[] = [];
  let nextOffset = fromOffset;
  for (const batch of batches) {
    while (toCome[0] !== undefined && toCome[0].firstOffset <= batch.lastOffset)
      aborting.add(toCome.shift()!.producerId);
    if (batch.ending === 'abort') aborting.delete(batch.producerId);
    const counts = !(batch.isTransactional && aborting.has(batch.producerId));
    if (counts) records.push(...batch.records.filter(({ offset }) => offset >= fromOffset));
    if (batch.lastOffset >= nextOffset) nextOffset = batch.lastOffset + 1n;
  }
  return { records, nextOffset };
}
