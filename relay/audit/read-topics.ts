/**
 * Reads topics up to where they ended at a known instant, under `read_committed`, with a consumer of its own: a random
 * group, from the beginning, no offset ever committed. It shares no code with the relay's publishing, so that the audit,
 * the demo and the tests can hold the relay to account with it.
 *
 * Where is the end? For the audit the high watermark (`extendToHighWatermarks`), not the last stable offset: Kafka answers a commit before it has written the
 * markers that make the events visible, so the last stable offset may still lie before events of a transaction that is
 * already known to be committed. Transactions that are open at the watermark are waited for; the broker ends them
 * after their timeout at the latest.
 *
 * How is it known that the end was reached, when the last records are transaction markers or aborted? The messages do
 * not tell, but the instrumentation does: kafkajs emits END_BATCH_PROCESS for every fetched batch, also for one of which
 * it filters out every message, and its `lastOffset` counts markers and aborted records. Only that moves a cursor.
 */
import { randomUUID } from 'node:crypto';
import type { Admin, Batch, Consumer, IHeaders, Kafka } from 'kafkajs';
import { commitTimeMs, committedAtHeader } from '../encode/record-time.ts';
import { RelayError } from '../errors.ts';
import { kafkaError } from '../kafka.ts';

/** Offsets of a partition: the first one kept, and the one after the last to be read. */
export type PartitionRange = {
  readonly topic: string;
  readonly partition: number;
  readonly low: bigint;
  readonly end: bigint;
};

/** A committed record, in offset order within its partition. */
export type TopicRecord = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** When its event was committed. */
  readonly committedAtMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: IHeaders | undefined;
};

export type ReadTopicsOptions = {
  readonly kafka: Kafka;
  /** What to read. */
  readonly ranges: readonly PartitionRange[];
  /** Called with one partition's records at a time, never concurrently; an error ends the reading and is thrown. */
  readonly onRecords: (records: readonly TopicRecord[]) => void | Promise<void>;
  /** Give up when no partition moved for so long, in ms. Longer than a transaction may stay open. */
  readonly stallMs: number;
  /** Offsets passed so far, of `offsetCount(ranges)`. */
  readonly onProgress?: (offsets: number) => void;
  /** Go on past the ends until `isDone` (asked after each batch) or `signal`; the ends are reached in any case. */
  readonly follow?: { readonly isDone: () => boolean; readonly signal: AbortSignal };
};

/** How long a fetch waits for data, and so how long ending the consumer takes at most. */
const maxWaitMs = 200;

/** Of a header that occurs twice, the first: the relay's own come before a row's. */
export function headerText(headers: IHeaders | undefined, name: string): string | undefined {
  const value = headers?.[name];
  return (Array.isArray(value) ? value[0] : value)?.toString();
}

/** Names of the topics that exist. @throws RelayError KAFKA_* */
export async function listTopics(admin: Admin): Promise<string[]> {
  try {
    return (await admin.listTopics()).sort();
  } catch (error) {
    throw kafkaError(error, 'listing the topics');
  }
}

/**
 * The topics up to their last stable offsets: before the oldest transaction that is open, or whose markers are missing.
 * @throws RelayError KAFKA_*
 */
export async function stableRanges(admin: Admin, topics: readonly string[]): Promise<PartitionRange[]> {
  const ranges: PartitionRange[] = [];
  for (const topic of topics) {
    try {
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic))
        ranges.push({ topic, partition, low: BigInt(low), end: BigInt(high) });
    } catch (error) {
      throw kafkaError(error, `reading the offsets of topic ${topic}`);
    }
  }
  return ranges;
}

/** Offsets in the ranges; more than there are records, since markers and aborted records have offsets too. */
export function offsetCount(ranges: readonly PartitionRange[]): number {
  return ranges.reduce((sum, { low, end }) => sum + Number(end - low), 0);
}

/**
 * Resolves when every committed record of the ranges has been handed over, each once.
 * @throws RelayError KAFKA_* when the consumer fails, or KAFKA_UNAVAILABLE when it stalls.
 */
export async function readTopics(options: ReadTopicsOptions): Promise<void> {
  const cursors = new Cursors(options.ranges);
  if (cursors.pending === 0 && options.follow === undefined) return;
  const consumer = options.kafka.consumer({
    groupId: `outbox-relay-audit-${randomUUID()}`,
    readUncommitted: false,
    maxWaitTimeInMs: maxWaitMs,
  });
  const reading = new Reading(options, cursors, consumer);
  try {
    await reading.run();
  } catch (error) {
    throw kafkaError(error, 'reading the topics');
  } finally {
    await consumer.disconnect().catch(() => {});
  }
}

class Reading {
  readonly #options: ReadTopicsOptions;
  readonly #cursors: Cursors;
  readonly #consumer: Consumer;
  readonly #end = Promise.withResolvers<void>();
  #isOver = false;
  #lastCrash: Error | undefined;

  constructor(options: ReadTopicsOptions, cursors: Cursors, consumer: Consumer) {
    this.#options = options;
    this.#cursors = cursors;
    this.#consumer = consumer;
  }

  async run(): Promise<void> {
    const { follow, ranges, stallMs } = this.#options;
    const consumer = this.#consumer;
    const timer = setTimeout(() => this.#stalled(), stallMs);
    const onAbort = () => this.#check();
    follow?.signal.addEventListener('abort', onAbort);
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      this.#lastCrash = payload.error;
      // kafkajs starts again after what may pass, such as a coordinator that is still loading.
      if (!payload.restart) this.#fail(payload.error);
    });
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      if (this.#cursors.advance(payload.topic, payload.partition, BigInt(payload.lastOffset) + 1n))
        timer.refresh();
      this.#passed(payload.topic, payload.partition);
    });
    // Awaited only below, where a failure that comes before would otherwise be unhandled.
    this.#end.promise.catch(() => {});
    try {
      await consumer.connect();
      await consumer.subscribe({
        topics: [...new Set(ranges.map(({ topic }) => topic))],
        fromBeginning: true,
      });
      await consumer.run({ autoCommit: false, eachBatch: ({ batch }) => this.#receive(batch) });
      this.#check();
      await this.#end.promise;
    } finally {
      this.#isOver = true;
      clearTimeout(timer);
      follow?.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Errors must not reach kafkajs: it would fetch and hand over the same batch again. */
  async #receive(batch: Batch): Promise<void> {
    const cursor = this.#cursors.get(batch.topic, batch.partition);
    if (cursor === undefined || this.#isOver) return;
    const limit = this.#options.follow === undefined ? cursor.range.end : undefined;
    const records: TopicRecord[] = [];
    for (const message of batch.messages) {
      const offset = BigInt(message.offset);
      // A consumer that has to join its group again starts from the beginning: what was handed over is passed.
      if (offset < cursor.next || (limit !== undefined && offset >= limit)) continue;
      records.push({
        topic: batch.topic,
        partition: batch.partition,
        offset,
        committedAtMs: commitTimeMs(
          Number(message.timestamp),
          headerText(message.headers, committedAtHeader),
        ),
        key: message.key,
        value: message.value,
        headers: message.headers,
      });
    }
    if (records.length === 0) return;
    cursor.next = records.at(-1)!.offset + 1n;
    try {
      await this.#options.onRecords(records);
    } catch (error) {
      this.#fail(error);
    }
  }

  #passed(topic: string, partition: number): void {
    if (this.#isOver) return;
    this.#options.onProgress?.(this.#cursors.passed);
    const cursor = this.#cursors.get(topic, partition);
    // On a running system the partition goes on growing; what comes after the end is nobody's business here.
    if (this.#options.follow === undefined && cursor !== undefined && cursor.passed >= cursor.range.end)
      this.#consumer.pause([{ topic, partitions: [partition] }]);
    this.#check();
  }

  #check(): void {
    const { follow } = this.#options;
    if (follow?.isDone()) this.#finish();
    else if (this.#cursors.pending === 0 && (follow === undefined || follow.signal.aborted)) this.#finish();
  }

  #finish(): void {
    this.#isOver = true;
    this.#end.resolve();
  }

  #fail(error: unknown): void {
    this.#isOver = true;
    this.#end.reject(error);
  }

  #stalled(): void {
    const cursor = this.#cursors.firstPending();
    if (cursor === undefined) return; // following, and nothing new came
    const { topic, partition, end } = cursor.range;
    this.#fail(
      new RelayError(
        'KAFKA_UNAVAILABLE',
        `${topic} partition ${partition} does not get past offset ${cursor.next} of ${end}: its leader is gone, or a transaction there stays open`,
        { cause: this.#lastCrash },
      ),
    );
  }
}

type Cursor = {
  readonly range: PartitionRange;
  /** First offset that was not handed over yet. */
  next: bigint;
  /** First offset that is not done with: behind `next` while records are being handed over. */
  passed: bigint;
};

/** How far each partition has been read. */
class Cursors {
  readonly #cursors = new Map<string, Cursor>();
  /** Partitions whose end is not reached yet. */
  pending = 0;
  /** Offsets passed in all ranges. */
  passed = 0;

  constructor(ranges: readonly PartitionRange[]) {
    for (const range of ranges) {
      this.#cursors.set(keyOf(range.topic, range.partition), { range, next: range.low, passed: range.low });
      if (range.low < range.end) this.pending += 1;
    }
  }

  get(topic: string, partition: number): Cursor | undefined {
    return this.#cursors.get(keyOf(topic, partition));
  }

  firstPending(): Cursor | undefined {
    return [...this.#cursors.values()].find(({ passed, range }) => passed < range.end);
  }

  /** Moves a partition to `next`; false when it was there already. */
  advance(topic: string, partition: number, next: bigint): boolean {
    const cursor = this.get(topic, partition);
    if (cursor === undefined || next <= cursor.passed) return false;
    const { end } = cursor.range;
    if (cursor.passed < end) {
      this.passed += Number((next < end ? next : end) - cursor.passed);
      if (next >= end) this.pending -= 1;
    }
    cursor.passed = next;
    if (next > cursor.next) cursor.next = next;
    return true;
  }
}

function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
