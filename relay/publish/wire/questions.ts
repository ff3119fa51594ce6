/**
 * Owns the requests that ask what became of transactions: how far a partition is readable, which producer has a
 * transaction open there, and what the coordinator knows of a transactional id. None of them changes anything.
 *
 * kafkajs's admin always asks for ends as `read_committed`, and gives up on all partitions where one is refused.
 * @see https://kafka.apache.org/protocol#protocol_api_keys
 */
import { groupBy } from '../../model/builtins.ts';
import { codes } from './error-codes.ts';
import { compactLengthBytes, compactTextBytes, Fields, textBytes } from './fields.ts';
import { answerOf, skipTags } from './flexible-answers.ts';
import { Decoder, type Throttled } from './kafkajs-internals.ts';
import type { WireRequest } from './kafkajs-wire.ts';

export type Place = { readonly topic: string; readonly partition: number };

export const nameOf = ({ topic, partition }: Place): string => `${topic}/${partition}`;

export const questions = {
  /** From this version on a new leader answers only when it knows what is committed to all replicas. */
  listOffsets: { apiKey: 2, apiName: 'ListOffsets', apiVersion: 5 },
  /** Needs the right Read on the topic. */
  describeProducers: { apiKey: 61, apiName: 'DescribeProducers', apiVersion: 0 },
  describeTransactions: { apiKey: 65, apiName: 'DescribeTransactions', apiVersion: 0 },
} as const;

const client = -1;
const anyLeaderEpoch = -1;
const latest = -1n;

/** `read_committed`: up to the first open transaction. `read_uncommitted`: what all replicas have, the high watermark. */
export type Isolation = 'read_committed' | 'read_uncommitted';

/** To the leader of all of them. */
export function endsRequest(isolation: Isolation, places: readonly Place[]): WireRequest {
  const topics = [...groupBy(places, ({ topic }) => topic)];
  const size = topics.reduce((sum, [topic, group]) => sum + textBytes(topic) + 4 + group.length * 16, 0);
  const fields = new Fields(9 + size);
  fields.int32(client);
  fields.byte(isolation === 'read_committed' ? 1 : 0);
  fields.int32(topics.length);
  for (const [topic, group] of topics) {
    fields.string(topic);
    fields.int32(group.length);
    for (const { partition } of group) {
      fields.int32(partition);
      fields.int32(anyLeaderEpoch);
      fields.int64(latest);
    }
  }
  return { ...questions.listOffsets, body: [fields.bytes] };
}

export type EndsAnswer = Throttled & {
  readonly ends: readonly (Place & { readonly errorCode: number; readonly offset: bigint })[];
};

export async function decodeEnds(payload: Buffer): Promise<EndsAnswer> {
  const decoder = new Decoder(payload);
  const clientSideThrottleTime = decoder.readInt32();
  const topics = decoder.readArray(() => {
    const topic = decoder.readString() ?? '';
    return decoder.readArray(() => {
      const partition = decoder.readInt32();
      const errorCode = decoder.readInt16();
      decoder.readInt64(); // timestamp
      const offset = decoder.readInt64();
      decoder.readInt32(); // leader epoch
      return { topic, partition, errorCode, offset };
    });
  });
  return { clientSideThrottleTime, ends: topics.flat() };
}

export function producersRequest({ topic, partition }: Place): WireRequest {
  const fields = new Fields(2 + compactTextBytes(topic) + 6);
  fields.compactLength(1);
  fields.compactString(topic);
  fields.compactLength(1);
  fields.int32(partition);
  fields.noTags(); // of the topic
  fields.noTags();
  return { ...questions.describeProducers, isFlexible: true, body: [fields.bytes] };
}

export type ProducersAnswer = Throttled & {
  readonly errorCode: number;
  /** First offset of the transaction that each producer has open, of those that have one. */
  readonly openSince: ReadonlyMap<bigint, bigint>;
};

/** Of one partition. */
export async function decodeProducers(payload: Buffer): Promise<ProducersAnswer> {
  const decoder = answerOf(payload);
  const clientSideThrottleTime = decoder.readInt32();
  const openSince = new Map<bigint, bigint>();
  let errorCode = 0;
  decoder.readUVarIntArray(() => {
    decoder.readUVarIntString();
    decoder.readUVarIntArray(() => {
      decoder.readInt32(); // the partition
      errorCode = decoder.readInt16();
      decoder.readUVarIntString(); // message
      decoder.readUVarIntArray(() => {
        const producerId = decoder.readInt64();
        decoder.readInt32(); // epoch
        decoder.readInt32(); // last sequence number
        decoder.readInt64(); // last timestamp
        decoder.readInt32(); // epoch of the coordinator
        const firstOffset = decoder.readInt64();
        if (firstOffset >= 0n) openSince.set(producerId, firstOffset);
        skipTags(decoder);
      });
      skipTags(decoder);
    });
    skipTags(decoder);
  });
  return { clientSideThrottleTime, errorCode, openSince };
}

export function transactionRequest(transactionalId: string): WireRequest {
  const fields = new Fields(compactLengthBytes(1) + compactTextBytes(transactionalId) + 1);
  fields.compactLength(1);
  fields.compactString(transactionalId);
  fields.noTags();
  return { ...questions.describeTransactions, isFlexible: true, body: [fields.bytes] };
}

export type TransactionAnswer = Throttled & {
  readonly errorCode: number;
  /** As the coordinator names it, such as `Ongoing`. */
  readonly state: string;
  readonly timeoutMs: number;
  readonly producerId: bigint;
  readonly epoch: number;
  /** Those that have not got the marker yet. */
  readonly places: readonly Place[];
};

export async function decodeTransaction(payload: Buffer): Promise<TransactionAnswer> {
  const decoder = answerOf(payload);
  const clientSideThrottleTime = decoder.readInt32();
  const [described] =
    decoder.readUVarIntArray(() => {
      const errorCode = decoder.readInt16();
      decoder.readUVarIntString(); // transactional id
      const state = decoder.readUVarIntString() ?? '';
      const timeoutMs = decoder.readInt32();
      decoder.readInt64(); // when it began
      const producerId = decoder.readInt64();
      const epoch = decoder.readInt16();
      const topics = decoder.readUVarIntArray(() => {
        const topic = decoder.readUVarIntString() ?? '';
        const partitions = decoder.readUVarIntArray(() => decoder.readInt32()) ?? [];
        skipTags(decoder);
        return partitions.map((partition) => ({ topic, partition }));
      });
      skipTags(decoder);
      return { errorCode, state, timeoutMs, producerId, epoch, places: (topics ?? []).flat() };
    }) ?? [];
  const none = {
    errorCode: codes.transactionalIdNotFound,
    state: '',
    timeoutMs: 0,
    producerId: -1n,
    epoch: -1,
    places: [],
  };
  return { clientSideThrottleTime, ...(described ?? none) };
}
