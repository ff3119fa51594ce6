/**
 * Owns the requests of a transaction as bytes: the partitions it writes to, the record batches, the commit. Brokers
 * from 2.5 on support those of transaction protocol 1; those of protocol 2 need a cluster with the feature
 * `transaction.version` at 2.
 * @see https://kafka.apache.org/protocol#protocol_api_keys
 */
import { compactLengthBytes, compactTextBytes, Fields, textBytes } from '../wire/fields.ts';
import type { WireRequest } from '../wire/kafkajs-wire.ts';

/** The identity that the coordinator assigned. */
export type Producer = {
  readonly transactionalId: string;
  readonly producerId: bigint;
  readonly producerEpoch: number;
};

export type TopicPartitions = { readonly topic: string; readonly partitions: readonly number[] };

/** Record batches of one topic, sealed and framed. */
export type TopicFrames = { readonly topic: string; readonly frames: readonly Buffer[] };

export const apis = {
  produce: { apiKey: 0, apiName: 'Produce', apiVersion: 7 },
  produce2: { apiKey: 0, apiName: 'Produce', apiVersion: 12 },
  apiVersions: { apiKey: 18, apiName: 'ApiVersions', apiVersion: 3 },
  raiseEpoch: { apiKey: 22, apiName: 'InitProducerId', apiVersion: 4 },
  addPartitions: { apiKey: 24, apiName: 'AddPartitionsToTxn', apiVersion: 1 },
  endTxn: { apiKey: 26, apiName: 'EndTxn', apiVersion: 1 },
  endTxn2: { apiKey: 26, apiName: 'EndTxn', apiVersion: 5 },
} as const;

const allReplicas = -1;

/** Adds all partitions in one request. Adding a partition twice changes nothing. */
export function addPartitionsRequest(producer: Producer, topics: readonly TopicPartitions[]): WireRequest {
  const partitions = topics.reduce((sum, topic) => sum + topic.partitions.length, 0);
  const names = topics.reduce((sum, { topic }) => sum + textBytes(topic) + 4, 0);
  const fields = new Fields(textBytes(producer.transactionalId) + 14 + names + partitions * 4);
  fields.string(producer.transactionalId);
  fields.int64(producer.producerId);
  fields.int16(producer.producerEpoch);
  fields.int32(topics.length);
  for (const { topic, partitions } of topics) {
    fields.string(topic);
    fields.int32(partitions.length);
    for (const partition of partitions) fields.int32(partition);
  }
  return { ...apis.addPartitions, body: [fields.bytes] };
}

/** Sends the frames without a copy, between small buffers that name the topics. */
export function produceRequest(
  transactionalId: string,
  timeoutMs: number,
  topics: readonly TopicFrames[],
): WireRequest {
  const head = new Fields(textBytes(transactionalId) + 10);
  head.string(transactionalId);
  head.int16(allReplicas);
  head.int32(timeoutMs);
  head.int32(topics.length);
  const body = [head.bytes];
  for (const { topic, frames } of topics) {
    const name = new Fields(textBytes(topic) + 4);
    name.string(topic);
    name.int32(frames.length);
    body.push(name.bytes, ...frames);
  }
  return { ...apis.produce, body };
}

/** Commits the transaction, or aborts it. */
export function endRequest(
  { transactionalId, producerId, producerEpoch }: Producer,
  isCommit: boolean,
): WireRequest {
  const fields = new Fields(textBytes(transactionalId) + 11);
  fields.string(transactionalId);
  fields.int64(producerId);
  fields.int16(producerEpoch);
  fields.byte(isCommit ? 1 : 0);
  return { ...apis.endTxn, body: [fields.bytes] };
}

/** The same in protocol 2. The leader adds each partition to the transaction before it writes to it. */
export function produceRequest2(
  transactionalId: string,
  timeoutMs: number,
  topics: readonly TopicFrames[],
): WireRequest {
  const head = new Fields(compactTextBytes(transactionalId) + 6 + compactLengthBytes(topics.length));
  head.compactString(transactionalId);
  head.int16(allReplicas);
  head.int32(timeoutMs);
  head.compactLength(topics.length);
  const body = [head.bytes];
  for (const [index, { topic, frames }] of topics.entries()) {
    const tags = index === 0 ? 0 : 1;
    const name = new Fields(tags + compactTextBytes(topic) + compactLengthBytes(frames.length));
    if (tags > 0) name.noTags(); // of the topic before
    name.compactString(topic);
    name.compactLength(frames.length);
    body.push(name.bytes, ...frames);
  }
  const tail = new Fields(2);
  tail.noTags(); // of the last topic
  tail.noTags();
  body.push(tail.bytes);
  return { ...apis.produce2, isFlexible: true, body };
}

/** The same in protocol 2. The answer assigns the identity of the next transaction. */
export function endRequest2(
  { transactionalId, producerId, producerEpoch }: Producer,
  isCommit: boolean,
): WireRequest {
  const fields = new Fields(compactTextBytes(transactionalId) + 12);
  fields.compactString(transactionalId);
  fields.int64(producerId);
  fields.int16(producerEpoch);
  fields.byte(isCommit ? 1 : 0);
  fields.noTags();
  return { ...apis.endTxn2, isFlexible: true, body: [fields.bytes] };
}

/**
 * Raises the epoch of this producer. Unlike the request that takes a transactional id, it names the identity that it
 * raises, so that a producer which another has fenced stays fenced.
 */
export function raiseEpochRequest(
  { transactionalId, producerId, producerEpoch }: Producer,
  transactionTimeoutMs: number,
): WireRequest {
  const fields = new Fields(compactTextBytes(transactionalId) + 15);
  fields.compactString(transactionalId);
  fields.int32(transactionTimeoutMs);
  fields.int64(producerId);
  fields.int16(producerEpoch);
  fields.noTags();
  return { ...apis.raiseEpoch, isFlexible: true, body: [fields.bytes] };
}

/** Asks a broker what it supports, and which features the cluster has agreed on. */
export function apiVersionsRequest(): WireRequest {
  const [name, version] = ['outbox-relay', '1'];
  const fields = new Fields(compactTextBytes(name) + compactTextBytes(version) + 1);
  fields.compactString(name);
  fields.compactString(version);
  fields.noTags();
  return { ...apis.apiVersions, isFlexible: true, body: [fields.bytes] };
}
