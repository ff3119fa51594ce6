/**
 * Reads one partition as `read_committed` does: the request and its answer, and which records of an answer count.
 *
 * The answer is taken apart here down to the batches, not by kafkajs, whose list of messages has lost two things: the last
 * offset of a batch that compaction has emptied, without which a reader stays before it for ever, and whether a record
 * with the key 00000000 is a control record.
 * @see https://kafka.apache.org/protocol#The_Messages_Fetch
 * @see https://kafka.apache.org/documentation/#recordbatch
 */
import { Fields, textBytes } from './fields.ts';
import {
  Decoder,
  decodeBatch,
  isPartialBatch,
  protocolError,
  type Throttled,
  type WireRequest,
} from './kafkajs-wire.ts';

export type FetchOptions = {
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: bigint;
  /** How long the broker may hold the answer back while there is nothing. */
  readonly maxWaitMs: number;
  /** A first batch that is larger comes whole all the same. */
  readonly maxBytes: number;
};

/** A stretch of the log that one producer wrote at once. */
export type FetchedBatch = {
  readonly lastOffset: bigint;
  readonly producerId: bigint;
  readonly isTransactional: boolean;
  /** Where it is a marker: how the transaction before it ended. */
  readonly ending?: 'commit' | 'abort';
  readonly records: readonly FetchedRecord[];
};

export type FetchedRecord = {
  readonly offset: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
};

export type FetchAnswer = Throttled & {
  /** In what was fetched; by the offset of its first record. */
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[];
  readonly batches: readonly FetchedBatch[];
};

const readCommitted = 1;

export function fetchRequest(options: FetchOptions): WireRequest {
  const { topic, partition, fromOffset, maxWaitMs, maxBytes } = options;
  const fields = new Fields(17 + 4 + textBytes(topic) + 4 + 16);
  fields.int32(-1); // a client, not a replica
  fields.int32(maxWaitMs);
  fields.int32(1); // answer at the first byte
  fields.int32(maxBytes);
  fields.byte(readCommitted);
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
  decoder.readInt32(); // throttled for so long
  decoder.readInt32(); // one topic
  decoder.readString();
  decoder.readInt32(); // one partition
  decoder.readInt32();
  const errorCode = decoder.readInt16();
  if (errorCode !== 0) throw protocolError(errorCode);
  decoder.readInt64(); // high watermark
  decoder.readInt64(); // last stable offset
  const aborted = decoder.readArray(() => ({
    producerId: decoder.readInt64(),
    firstOffset: decoder.readInt64(),
  }));
  return { aborted, batches: await decodeBatches(decoder.readBytes() ?? Buffer.alloc(0)) };
}

async function decodeBatches(bytes: Buffer): Promise<FetchedBatch[]> {
  const decoder = new Decoder(bytes);
  const batches: FetchedBatch[] = [];
  while (decoder.offset < bytes.length) {
    try {
      const batch = await decodeBatch(decoder);
      const records = batch.records.map(({ offset, key, value }) => ({ offset: BigInt(offset), key, value }));
      batches.push({
        lastOffset: BigInt(batch.firstOffset) + BigInt(batch.lastOffsetDelta),
        producerId: BigInt(batch.producerId),
        isTransactional: batch.inTransaction,
        ...(batch.isControlBatch ? { ending: endingOf(records[0]) } : {}),
        records: batch.isControlBatch ? [] : records,
      });
    } catch (error) {
      if (isPartialBatch(error)) break; // cut at `maxBytes`; it comes whole with the next answer
      throw error;
    }
  }
  return batches;
}

/** Key of a control record: version and type, two bytes each; type 0 is an abort. */
const endingOf = (control: FetchedRecord | undefined): 'commit' | 'abort' =>
  control?.key?.readInt16BE(2) === 0 ? 'abort' : 'commit';

/**
 * The records from `fromOffset` on that were committed, and where to go on. What is fetched under `read_committed` ends
 * before the first open transaction, so a transactional record counts unless its transaction is among the aborted.
 */
export function committedRecords(
  { aborted, batches }: FetchAnswer,
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
