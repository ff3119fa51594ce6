/** Owns the events of one Kafka transaction while it fills, as kafkajs messages grouped by partition. */
import type { Message, TopicMessages } from 'kafkajs';
import type { OutboundRecord } from '../../encode/record.ts';
import type { PartitionEvents } from '../../observe/facts.ts';
import type { Batch } from '../publisher.ts';
import { compressedBound, leastCompressedBytes } from '../wire/compression.ts';

/** Messages of one record batch. */
export type PartitionSlice = {
  readonly topic: string;
  readonly partition: number;
  readonly messages: Message[];
  /** Upper bound of the bytes of the records, uncompressed. */
  bytes: number;
  /** Most bytes of records that a record batch of its topic may hold. */
  maxBytes: number;
};

type PartitionQueue = {
  readonly topic: string;
  readonly partition: number;
  readonly slices: PartitionSlice[];
};

/**
 * A record batch must stay below the topic's max.message.bytes, 1 MiB by default; a lower limit comes with the record.
 * With 768 KiB the broker needs no large allocation to append it.
 */
const maxSliceBytes = 768 * 1024;

/**
 * kafkajs groups the messages of a send in quadratic time, because it copies the group for each message: 35 ms for
 * 20,000 messages, but 0.4 ms for 2,000.
 */
const maxSendMessages = 2_000;

export class BatchBuilder implements Batch {
  /** kafkajs does not say what it made of them. */
  readonly sentBytes = undefined;
  readonly #partitions = new Map<string, PartitionQueue>();
  #events = 0;
  #bytes = 0;

  get events(): number {
    return this.#events;
  }

  /** Upper bound of the bytes that the records take in Kafka. */
  get bytes(): number {
    return this.#bytes;
  }

  get partitionCount(): number {
    return this.#partitions.size;
  }

  append(record: OutboundRecord): void {
    const queue = this.#queue(record.topic, record.partition);
    let slice = queue.slices.at(-1);
    const isFull =
      slice === undefined ||
      slice.messages.length >= maxSendMessages ||
      slice.bytes + record.bytes > Math.min(maxSliceBytes, record.maxBatchBytes);
    if (slice === undefined || isFull) {
      const { topic, partition, maxBatchBytes: maxBytes } = record;
      slice = { topic, partition, messages: [], bytes: 0, maxBytes };
      queue.slices.push(slice);
    }
    slice.messages.push({
      key: record.key,
      value: record.value,
      partition: record.partition,
      timestamp: String(record.timestampMs),
      headers: record.headers,
    });
    slice.bytes += record.bytes;
    slice.maxBytes = Math.min(slice.maxBytes, record.maxBatchBytes);
    this.#events += 1;
    this.#bytes += record.bytes;
  }

  /** Events by topic, for metrics. */
  eventsByTopic(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { topic, slices } of this.#partitions.values()) {
      const messages = slices.reduce((sum, slice) => sum + slice.messages.length, 0);
      counts.set(topic, (counts.get(topic) ?? 0) + messages);
    }
    return counts;
  }

  *eventsByPartition(): Generator<PartitionEvents> {
    for (const { topic, partition, slices } of this.#partitions.values())
      yield { topic, partition, events: slices.reduce((sum, { messages }) => sum + messages.length, 0) };
  }

  /**
   * The sends of the batch, to be made one after the other. A send holds at most one record batch per partition, so
   * that the records of a partition keep their order.
   */
  *sends(): Generator<PartitionSlice[]> {
    const queues = [...this.#partitions.values()];
    const rounds = Math.max(0, ...queues.map((queue) => queue.slices.length));
    for (let round = 0; round < rounds; round++) {
      let send: PartitionSlice[] = [];
      let messages = 0;
      for (const { slices } of queues) {
        const slice = slices[round];
        if (slice === undefined) continue;
        if (messages > 0 && messages + slice.messages.length > maxSendMessages) {
          yield send;
          send = [];
          messages = 0;
        }
        send.push(slice);
        messages += slice.messages.length;
      }
      yield send;
    }
  }

  #queue(topic: string, partition: number): PartitionQueue {
    const key = `${topic}/${partition}`;
    let queue = this.#partitions.get(key);
    if (queue === undefined) {
      queue = { topic, partition, slices: [] };
      this.#partitions.set(key, queue);
    }
    return queue;
  }
}

/**
 * Whether a send is compressed. kafkajs compresses all record batches of a send or none, and sends what comes out even
 * if it is larger. So this requires that the batches are large enough on average for compression to pay, and that each
 * fits its topic however it comes out.
 */
export function isCompressible(send: readonly PartitionSlice[]): boolean {
  const bytes = send.reduce((sum, slice) => sum + slice.bytes, 0);
  return (
    bytes >= leastCompressedBytes * send.length &&
    send.every((slice) => compressedBound(slice.bytes) <= slice.maxBytes)
  );
}

/** Converts a send to what kafkajs takes: one entry per topic. */
export function toTopicMessages(send: readonly PartitionSlice[]): TopicMessages[] {
  const byTopic = new Map<string, Message[]>();
  for (const { topic, messages } of send) {
    const known = byTopic.get(topic);
    if (known === undefined) byTopic.set(topic, [...messages]);
    else for (const message of messages) known.push(message);
  }
  return [...byTopic].map(([topic, messages]) => ({ topic, messages }));
}
