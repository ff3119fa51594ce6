/**
 * Finds the high watermarks of partitions: the ends of all that was written, transactions that are still open included.
 * kafkajs tells the last stable offset only (its ListOffsets always asks as `read_committed`), but gives the watermark
 * with every batch it fetches. So a consumer that reads uncommitted records is set to the last stable offsets: a
 * partition that has something beyond it sends a batch, and one that sends none ends there.
 */
import { randomUUID } from 'node:crypto';
import type { Consumer, Kafka } from 'kafkajs';
import { RelayError } from '../errors.ts';
import { kafkaError } from '../kafka.ts';
import type { PartitionRange } from './read-topics.ts';

/** How long a fetch waits for data; two without any follow one another before all is known. */
const maxWaitMs = 50;

/**
 * The ranges with the high watermark of now, or later, as their end.
 * @throws RelayError KAFKA_*
 */
export async function extendToHighWatermarks(
  kafka: Kafka,
  ranges: readonly PartitionRange[],
  stallMs: number,
): Promise<PartitionRange[]> {
  if (ranges.length === 0) return [];
  const consumer = kafka.consumer({
    groupId: `outbox-relay-audit-${randomUUID()}`,
    readUncommitted: true,
    maxWaitTimeInMs: maxWaitMs,
  });
  try {
    const ends = await peek(consumer, ranges, stallMs);
    return ranges.map((range) => ({ ...range, end: ends.get(keyOf(range)) ?? range.end }));
  } catch (error) {
    throw kafkaError(error, 'finding the ends of the topics');
  } finally {
    await consumer.disconnect().catch(() => {});
  }
}

async function peek(
  consumer: Consumer,
  ranges: readonly PartitionRange[],
  stallMs: number,
): Promise<Map<string, bigint>> {
  const ends = new Map<string, bigint>();
  const rounds = new QuietRounds();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(new RelayError('KAFKA_UNAVAILABLE', 'the brokers do not tell the ends of the topics')),
    stallMs,
  );
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) reject(payload.error);
  });
  // After each join, also one that follows a failure, the consumer would start where it likes.
  consumer.on(consumer.events.GROUP_JOIN, () => {
    rounds.reset();
    for (const { topic, partition, end } of ranges) consumer.seek({ topic, partition, offset: String(end) });
  });
  consumer.on(consumer.events.FETCH_START, ({ payload }) => {
    if (rounds.start(payload.nodeId)) resolve();
  });
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    rounds.disturb();
    ends.set(keyOf(payload), BigInt(payload.highWatermark));
    consumer.pause([{ topic: payload.topic, partitions: [payload.partition] }]);
  });
  promise.catch(() => {}); // awaited only below
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [...new Set(ranges.map(({ topic }) => topic))] });
    await consumer.run({ autoCommit: false, eachBatch: async () => {} });
    await promise;
    return ends;
  } finally {
    clearTimeout(timer);
  }
}

function keyOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}/${partition}`;
}

/**
 * A round of a broker goes from one fetch to the next, its batches processed. A response can be too full for all
 * partitions, but then it is not empty: a round in which no batch came at all says that nothing is left on that broker.
 */
class QuietRounds {
  /** By broker, those with a fetch under way: whether a batch came since it began. */
  readonly #disturbed = new Map<number, boolean>();
  readonly #quiet = new Set<number>();

  reset(): void {
    this.#disturbed.clear();
    this.#quiet.clear();
  }

  disturb(): void {
    for (const nodeId of this.#disturbed.keys()) this.#disturbed.set(nodeId, true);
  }

  /** True once every broker has had a quiet round; kafkajs starts with all of them at once. */
  start(nodeId: number): boolean {
    if (this.#disturbed.get(nodeId) === false) this.#quiet.add(nodeId);
    this.#disturbed.set(nodeId, false);
    return this.#quiet.size === this.#disturbed.size;
  }
}
