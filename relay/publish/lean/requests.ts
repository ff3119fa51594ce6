/**
 * Owns the requests of a transaction as bytes: the partitions it writes to, the record batches, the commit. Brokers
 * from 2.5 on support these versions. They use Kafka's transaction protocol 1: the producer adds each partition to the
 * transaction before it writes to it.
 * @see https://kafka.apache.org/protocol#protocol_api_keys
 */
import { Fields, textBytes } from '../wire/fields.ts';
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
  addPartitions: { apiKey: 24, apiName: 'AddPartitionsToTxn', apiVersion: 1 },
  endTxn: { apiKey: 26, apiName: 'EndTxn', apiVersion: 1 },
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

export function commitRequest({ transactionalId, producerId, producerEpoch }: Producer): WireRequest {
  const fields = new Fields(textBytes(transactionalId) + 11);
  fields.string(transactionalId);
  fields.int64(producerId);
  fields.int16(producerEpoch);
  fields.byte(1);
  return { ...apis.endTxn, body: [fields.bytes] };
}
