/**
 * The events of one Kafka transaction while it fills. The layout of a record stays behind this seam: this builder
 * collects kafkajs messages, grouped by partition as they arrive.
 */
import type { Message, TopicMessages } from 'kafkajs';
import type { OutboundRecord } from '../../encode/record.ts';
import type { Batch } from '../publisher.ts';

/** Messages for one partition that go into one record batch. */
export type PartitionSlice = {
  readonly topic: string;
  readonly partition: number;
  readonly messages: Message[];
};

type PartitionQueue = {
  readonly topic: string;
  readonly partition: number;
  slices: Message[][];
  lastBytes: number;
};

/**
 * A record batch stays below the topic's max.message.bytes, which may be less than its default of 1 MiB. 768 KiB lets a
 * broker append it without a large allocation.
 */
const maxSliceBytes = 768 * 1024;

/**
 * kafkajs groups the messages of a send by copying what it has for each one, which is quadratic: 35 ms for 20,000
 * messages, but 0.4 ms for 2,000.
 */
const maxSendMessages = 2_000;

export class BatchBuilder implements Batch {
  readonly #partitions = new Map<string, PartitionQueue>();
  #events = 0;
  #bytes = 0;

  get events(): number {
    return this.#events;
  }

  /** Bytes the records take in Kafka, at most. */
  get bytes(): number {
    return this.#bytes;
  }

  append(record: OutboundRecord): void {
    const queue = this.#queue(record.topic, record.partition);
    let slice = queue.slices.at(-1);
    const isFull =
      slice === undefined ||
      slice.length >= maxSendMessages ||
      queue.lastBytes + record.bytes > Math.min(maxSliceBytes, record.maxBatchBytes);
    if (slice === undefined || isFull) {
      slice = [];
      queue.slices.push(slice);
      queue.lastBytes = 0;
    }
    slice.push({
      key: record.key,
      value: record.value,
      partition: record.partition,
      timestamp: String(record.timestampMs),
      headers: record.headers,
    });
    queue.lastBytes += record.bytes;
    this.#events += 1;
    this.#bytes += record.bytes;
  }

  /** Events by topic, for metrics. */
  eventsByTopic(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { topic, slices } of this.#partitions.values()) {
      const messages = slices.reduce((sum, slice) => sum + slice.length, 0);
      counts.set(topic, (counts.get(topic) ?? 0) + messages);
    }
    return counts;
  }

  /**
   * The sends that make up the batch, to be made one after another. A send holds at most one record batch per
   * partition, so the order within a partition is the order of the sends.
   */
  *sends(): Generator<PartitionSlice[]> {
    const queues = [...this.#partitions.values()];
    const rounds = Math.max(0, ...queues.map((queue) => queue.slices.length));
    for (let round = 0; round < rounds; round++) {
      let send: PartitionSlice[] = [];
      let messages = 0;
      for (const { topic, partition, slices } of queues) {
        const slice = slices[round];
        if (slice === undefined) continue;
        if (messages > 0 && messages + slice.length > maxSendMessages) {
          yield send;
          send = [];
          messages = 0;
        }
        send.push({ topic, partition, messages: slice });
        messages += slice.length;
      }
      yield send;
    }
  }

  #queue(topic: string, partition: number): PartitionQueue {
    const key = `${topic}/${partition}`;
    let queue = this.#partitions.get(key);
    if (queue === undefined) {
      queue = { topic, partition, slices: [], lastBytes: 0 };
      this.#partitions.set(key, queue);
    }
    return queue;
  }
}

/** A send for kafkajs: one entry per topic. */
export function toTopicMessages(send: readonly PartitionSlice[]): TopicMessages[] {
  const byTopic = new Map<string, Message[]>();
  for (const { topic, messages } of send) {
    const known = byTopic.get(topic);
    if (known === undefined) byTopic.set(topic, [...messages]);
    else for (const message of messages) known.push(message);
  }
  return [...byTopic].map(([topic, messages]) => ({ topic, messages }));
}
