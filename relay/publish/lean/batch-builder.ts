/**
 * Owns the events of one Kafka transaction while it fills: record batches by partition, in the order in which the
 * records were appended.
 */
import type { Compressor } from '../../connect/compression/compressors.ts';
import type { OutboundRecord } from '../../encode/record.ts';
import { RelayError } from '../../errors.ts';
import type { PartitionEvents } from '../../observe/facts.ts';
import type { Batch } from '../publisher.ts';
import { batchHeaderBytes } from '../wire/batch-layout.ts';
import type { BufferPool } from './buffer-pool.ts';
import { RecordBatch, recordBound } from './record-batch.ts';

/** The record batches of one partition, in the order in which they are sent. */
export type PartitionBatches = {
  readonly topic: string;
  readonly partition: number;
  readonly batches: readonly RecordBatch[];
};

/**
 * max.message.bytes is 1 MiB by default. This leaves a margin and keeps each append, which locks the partition, short.
 * A larger record gets a batch of its own.
 */
const maxRecordsBytes = 768 * 1024;

type TopicQueue = {
  readonly partitions: Map<number, { open: RecordBatch; readonly batches: RecordBatch[] }>;
  events: number;
};

export class LeanBatchBuilder implements Batch {
  readonly #pool: BufferPool;
  readonly #topics = new Map<string, TopicQueue>();
  #events = 0;
  #bytes = 0;
  #sentBytes = 0;
  #partitionCount = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  get events(): number {
    return this.#events;
  }

  /** Upper bound of the bytes that the records take in Kafka. */
  get bytes(): number {
    return this.#bytes;
  }

  get partitionCount(): number {
    return this.#partitionCount;
  }

  append(record: OutboundRecord): void {
    const topic = this.#topics.get(record.topic) ?? this.#addTopic(record.topic);
    const bound = recordBound(record);
    const mostBytes = Math.min(maxRecordsBytes, record.maxBatchBytes);
    this.#room(topic, record.partition, bound, mostBytes).append(record, bound);
    topic.events += 1;
    this.#events += 1;
    this.#bytes += record.bytes;
  }

  /** Events by topic, for metrics. Still available after the batch is committed. */
  eventsByTopic(): Map<string, number> {
    return new Map([...this.#topics].map(([topic, { events }]) => [topic, events]));
  }

  /** Size of the record batches as they were sent; 0 until the brokers have answered. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Compresses each record batch that gets smaller by it. Append nothing afterwards. */
  async compress(compressor: Compressor): Promise<void> {
    const all = [...this.partitions()].flatMap(({ batches }) => batches);
    await Promise.all(all.map((batch) => batch.compress(compressor)));
  }

  *eventsByPartition(): Generator<PartitionEvents> {
    for (const { topic, partition, batches } of this.partitions())
      yield { topic, partition, events: batches.reduce((sum, { count }) => sum + count, 0) };
  }

  /** Ordered by topic, so that a request names each topic once. */
  *partitions(): Generator<PartitionBatches> {
    for (const [topic, { partitions }] of this.#topics)
      for (const [partition, { batches }] of partitions) yield { topic, partition, batches };
  }

  /** Returns the buffers to the pool. Call it only after the brokers have answered for all batches. */
  release(): void {
    for (const { partitions } of this.#topics.values()) {
      for (const { batches } of partitions.values())
        for (const batch of batches) {
          this.#sentBytes += batch.bytes;
          batch.release();
        }
      partitions.clear();
    }
  }

  #room({ partitions }: TopicQueue, partition: number, bound: number, mostBytes: number): RecordBatch {
    const queue = partitions.get(partition);
    if (queue !== undefined && queue.open.bytes - batchHeaderBytes + bound <= mostBytes) return queue.open;
    if (!Number.isInteger(partition))
      throw new RelayError('INTERNAL', 'a record without a partition reached the producer');
    const batch = new RecordBatch(this.#pool, partition, bound);
    if (queue === undefined) {
      partitions.set(partition, { open: batch, batches: [batch] });
      this.#partitionCount += 1;
    } else {
      queue.open = batch;
      queue.batches.push(batch);
    }
    return batch;
  }

  #addTopic(topic: string): TopicQueue {
    const queue = { partitions: new Map(), events: 0 };
    this.#topics.set(topic, queue);
    return queue;
  }
}
