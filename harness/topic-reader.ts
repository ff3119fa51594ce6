/**
 * A consumer like any other: `read_committed`, kafkajs, a group of its own, none of the relay's code. It hands over each
 * offset once, from the beginning of the topics. `CommittedReader` is for brokers that die and for what kafkajs hides.
 */

import { randomUUID } from 'node:crypto';
import type { Batch, Consumer, Kafka, KafkaMessage } from 'kafkajs';
import { withResolvers } from '../relay/model/builtins.ts';
import './kafkajs-lz4.ts';

/** A partition and the offset after its last record. */
export type PartitionEnd = { readonly topic: string; readonly partition: number; readonly end: bigint };

export type TopicReaderOptions = {
  readonly kafka: Kafka;
  readonly topics: readonly string[];
  readonly onRecord: (topic: string, partition: number, message: KafkaMessage) => void | Promise<void>;
  /** Hears of each batch as it arrives, before its records: for whoever measures when they came. */
  readonly onBatch?: () => void;
};

/** How long a fetch waits when there is nothing; the broker answers at once when there is something. */
const maxWaitMs = 50;

export class TopicReader {
  readonly #options: TopicReaderOptions;
  readonly #consumer: Consumer;
  /** By partition, the first offset that is not handed over, and not passed. */
  readonly #next = new Map<string, bigint>();
  readonly #passed = new Map<string, bigint>();
  readonly #failure = withResolvers<never>();
  #onProgress: () => void = () => {};

  constructor(options: TopicReaderOptions) {
    this.#options = options;
    this.#consumer = options.kafka.consumer({
      groupId: `reader-${randomUUID()}`,
      readUncommitted: false,
      maxWaitTimeInMs: maxWaitMs,
    });
    this.#failure.promise.catch(() => {}); // handled where `failed` is awaited
  }

  /** Rejects when the consumer cannot go on. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  /** Resolves when it reads from the beginning of the topics, which must exist. */
  async start(): Promise<void> {
    const consumer = this.#consumer;
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) this.#failure.reject(payload.error);
    });
    // Emitted for every batch, also for one that holds only markers and aborted records.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      const name = `${payload.topic}/${payload.partition}`;
      const passed = BigInt(payload.lastOffset) + 1n;
      if (passed > (this.#passed.get(name) ?? 0n)) this.#passed.set(name, passed);
      this.#onProgress();
    });
    const joined = new Promise<void>((resolve) => {
      consumer.on(consumer.events.GROUP_JOIN, () => resolve());
    });
    await consumer.connect();
    await consumer.subscribe({ topics: [...this.#options.topics], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch: ({ batch }) => this.#receive(batch) });
    await Promise.race([joined, this.failed]);
  }

  /** Resolves when everything before the ends has been handed over. @throws when nothing moves for `stallMs` */
  async readTo(ends: readonly PartitionEnd[], stallMs: number): Promise<void> {
    const { promise, resolve, reject } = withResolvers<void>();
    const isAt = ({ topic, partition, end }: PartitionEnd) =>
      end === 0n || (this.#passed.get(`${topic}/${partition}`) ?? 0n) >= end;
    const timer = setTimeout(
      () => reject(new Error(`the consumer did not reach the end of the topics within ${stallMs} ms`)),
      stallMs,
    );
    this.#onProgress = () => {
      timer.refresh();
      if (ends.every(isAt)) resolve();
    };
    this.#onProgress();
    try {
      await Promise.race([promise, this.failed]);
    } finally {
      clearTimeout(timer);
      this.#onProgress = () => {};
    }
  }

  async stop(): Promise<void> {
    await this.#consumer.disconnect();
  }

  async #receive({ topic, partition, messages }: Batch): Promise<void> {
    const name = `${topic}/${partition}`;
    const { onBatch, onRecord } = this.#options;
    onBatch?.();
    for (const message of messages) {
      const offset = BigInt(message.offset);
      // A consumer that has to join again begins again; one offset is one record, however often it is fetched.
      if (offset < (this.#next.get(name) ?? 0n)) continue;
      // Not awaited where there is nothing to wait for: a turn of the microtasks a record delays those behind it.
      const work = onRecord(topic, partition, message);
      if (work !== undefined) await work;
      this.#next.set(name, offset + 1n);
    }
  }
}
