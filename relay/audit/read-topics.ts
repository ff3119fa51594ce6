/**
 * Reads topics up to where they ended at a known instant, under `read_committed`. It shares with the relay how a partition
 * is read, and nothing of how one is written, so that the audit, the demo and the tests can check the relay with it. It
 * asks the leaders of the partitions and needs no consumer group, which would outlive it.
 *
 * For the audit, the end is the high watermark (`extendToHighWatermarks`), not the last stable offset. Kafka acknowledges a
 * commit before it writes the markers that make the events visible, so the last stable offset may lie before events of a
 * transaction that is known to be committed. The reader waits for transactions that are open at the watermark; the broker
 * ends them after their timeout at the latest.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { backoffMs } from '../connect/backoff.ts';
import { kafkaError, kafkaErrorType } from '../connect/kafka.ts';
import { commitTimeMs, committedAtHeader } from '../encode/record-time.ts';
import { RelayError } from '../errors.ts';
import type { FetchedRecord } from '../publish/wire/fetch.ts';
import type { RecordHeaders } from '../publish/wire/record-batch.ts';
import { PartitionReader } from './partition-reader.ts';

/** Offsets of a partition: the first that remains, and the one after the last to read. */
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
  readonly headers: RecordHeaders;
  /** Of the producer that wrote it in a transaction; undefined if it was written without one. */
  readonly producerId: bigint | undefined;
};

export type ReadTopicsOptions = {
  readonly kafka: Kafka;
  /** What to read. */
  readonly ranges: readonly PartitionRange[];
  /** Called with the records of one partition at a time, never concurrently. Its errors end the reading and are thrown. */
  readonly onRecords: (records: readonly TopicRecord[]) => void | Promise<void>;
  /** Give up if no partition advances for this long, in ms. Longer than a transaction may stay open. */
  readonly stallMs: number;
  /** Offsets passed so far, of `offsetCount(ranges)`. */
  readonly onDone?: (offsets: number) => void;
  /** Kafka removed the beginning of the partition during the reading, with records that were not read yet. */
  readonly onTrimmed?: (topic: string, partition: number) => void;
  /**
   * Read whichever partition is behind in time next, in small answers, so that the records of all partitions come about in
   * the order of their commits. By default one partition after the other, which is faster.
   */
  readonly isInStep?: boolean;
  /** Continue past the ends until `isDone` (called after each batch) or `signal`; the ends are reached in any case. */
  readonly follow?: { readonly isDone: () => boolean; readonly signal: AbortSignal };
};

/** How long a round waits for data after a round without any; also the longest time that `follow` takes to end. */
const maxWaitMs = 200;
/** About 13,000 records of 300 bytes. Larger answers are no faster, and memory holds two of them. */
const maxBytes = 4 * 1024 * 1024;
/** In step: some 1,500 small records. */
const stepBytes = 512 * 1024;
/** A broker that does not answer for this long is asked again over a new connection. */
const noAnswerMs = 30_000;
const retry = { initialDelayMs: 50, maxDelayMs: 1_000 };

/** Added to the longest time that an abandoned transaction stays open: the broker looks for those every 10 s. */
const stallMarginMs = 30_000;

/** How long a partition may not advance before reading gives up. */
export function stallMsOf({ kafka }: Pick<Config, 'kafka'>): number {
  return kafka.transactionTimeoutMs + stallMarginMs;
}

/** The first, if a header occurs twice: the relay's own come before those of a row. */
export function headerText(headers: RecordHeaders, name: string): string | undefined {
  return headers.find(([each]) => each === name)?.[1]?.toString();
}

/** Names of the existing topics that may be seen. @throws RelayError KAFKA_* */
export async function listTopics(admin: Admin): Promise<string[]> {
  try {
    return (await admin.listTopics()).sort();
  } catch (error) {
    throw kafkaError(error, 'listing the topics');
  }
}

/**
 * Asserts that topics which a listing does not have do not exist: a listing leaves out topics that may not be seen.
 * @throws RelayError KAFKA_UNAUTHORIZED if one is hidden
 */
export async function assertVisible(admin: Admin, topics: readonly string[]): Promise<void> {
  for (const topic of new Set(topics)) {
    try {
      await admin.fetchTopicMetadata({ topics: [topic] });
    } catch (error) {
      if (kafkaErrorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION')
        throw kafkaError(error, `looking for topic ${topic}`);
    }
  }
}

/**
 * Whether an error says that there is no such topic. A client's error alone may be about another one that it was asked for
 * before.
 * @throws RelayError KAFKA_*
 */
export async function isAbsent(admin: Admin, topic: string, error: unknown): Promise<boolean> {
  return kafkaErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION' && !(await listTopics(admin)).includes(topic);
}

/**
 * The topics up to their last stable offsets: before the oldest transaction that is open or lacks markers.
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

/** Offsets in the ranges. There are fewer records, because markers and aborted records have offsets, too. */
export function offsetCount(ranges: readonly PartitionRange[]): number {
  return ranges.reduce((sum, { low, end }) => sum + Number(end - low), 0);
}

/**
 * Resolves when every committed record of the ranges has been passed on, each once.
 * @throws RelayError KAFKA_* if a partition cannot be read; KAFKA_UNAVAILABLE if none advances for `stallMs`.
 */
export async function readTopics(options: ReadTopicsOptions): Promise<void> {
  await new Reading(options).run();
}

/** An error of `onRecords`: it ends the reading and is not retried. */
class Refused extends Error {}

type Cursor = {
  readonly range: PartitionRange;
  /** First offset that was not passed on yet. */
  next: bigint;
  /** When the last record that was passed on was committed. */
  atMs: number;
};

class Reading {
  readonly #options: ReadTopicsOptions;
  readonly #cursors: readonly Cursor[];
  #movedMs = performance.now();

  constructor(options: ReadTopicsOptions) {
    this.#options = options;
    this.#cursors = options.ranges.map((range) => ({
      range,
      next: range.low,
      atMs: Number.NEGATIVE_INFINITY,
    }));
  }

  async run(): Promise<void> {
    const { kafka, ranges, stallMs } = this.#options;
    const topics = [...new Set(ranges.map(({ topic }) => topic))];
    for (let attempt = 0; !this.#isOver(); attempt++) {
      const beganMs = performance.now();
      const reader = new PartitionReader(kafka, topics, Math.min(stallMs, noAnswerMs));
      try {
        await this.#readAll(reader);
      } catch (error) {
        if (error instanceof Refused) throw error.cause;
        const failure = kafkaError(error, 'reading the topics');
        if (failure.class !== 'retry') throw failure;
        this.#expectMoves(failure);
        if (this.#movedMs > beganMs) attempt = 0;
        await delay(backoffMs(attempt, retry));
      } finally {
        await reader.close();
      }
    }
  }

  /** Reads in rounds, so that a partition without data does not keep the others waiting. */
  async #readAll(reader: PartitionReader): Promise<void> {
    const { isInStep = false } = this.#options;
    let waitMs = 0;
    while (!this.#isOver()) {
      const beganMs = performance.now();
      const cursors = this.#cursors.filter((each) => this.#isWanted(each, each.next));
      if (isInStep) cursors.sort((a, b) => a.atMs - b.atMs || 0);
      for (const cursor of cursors) {
        await this.#drain(reader, cursor, Math.ceil(waitMs / cursors.length));
        if (this.#isOver()) return;
        if (isInStep && this.#movedMs >= beganMs) break; // another may be behind now
      }
      if (this.#movedMs < beganMs) this.#expectMoves();
      waitMs = this.#movedMs < beganMs ? maxWaitMs : 0;
    }
  }

  /** Reads what a partition has now; the next answer is on its way while one is processed. */
  async #drain(reader: PartitionReader, cursor: Cursor, waitMs: number): Promise<void> {
    const { topic, partition } = cursor.range;
    const { isInStep = false } = this.#options;
    const fetch = (from: bigint, maxWaitMs: number) =>
      reader.fetch({
        topic,
        partition,
        fromOffset: from,
        maxWaitMs,
        maxBytes: isInStep ? stepBytes : maxBytes,
      });
    let coming = fetch(cursor.next, waitMs);
    for (;;) {
      const { records, nextOffset, isTrimmed } = await coming;
      if (nextOffset === cursor.next) return;
      const isMore = !isInStep && this.#isWanted(cursor, nextOffset);
      if (isMore) {
        coming = fetch(nextOffset, 0);
        coming.catch(() => {}); // awaited only once the records are dealt with
      }
      if (isTrimmed) this.#options.onTrimmed?.(topic, partition);
      await this.#handOver(cursor, records);
      cursor.next = nextOffset;
      this.#movedMs = performance.now();
      this.#options.onDone?.(this.#passed());
      if (!isMore || this.#isOver()) return;
    }
  }

  async #handOver(cursor: Cursor, fetched: readonly FetchedRecord[]): Promise<void> {
    const { range, next } = cursor;
    const { topic, partition, end } = range;
    const { follow, onRecords } = this.#options;
    const records = fetched
      // On a running system the partition keeps growing; records after the end are ignored.
      .filter(({ offset }) => offset >= next && (follow !== undefined || offset < end))
      .map(({ offset, timestampMs, key, value, headers, producerId }) => ({
        topic,
        partition,
        offset,
        committedAtMs: commitTimeMs(timestampMs, headerText(headers, committedAtHeader)),
        key,
        value,
        headers,
        producerId,
      }));
    if (records.length === 0) return;
    cursor.atMs = records.at(-1)!.committedAtMs;
    try {
      await onRecords(records);
    } catch (error) {
      throw new Refused('', { cause: error });
    }
  }

  #isWanted({ range }: Cursor, next: bigint): boolean {
    return next < range.end || this.#options.follow !== undefined;
  }

  #isOver(): boolean {
    const { follow } = this.#options;
    if (follow?.isDone()) return true;
    if (follow !== undefined && !follow.signal.aborted) return false;
    return this.#cursors.every(({ range, next }) => next >= range.end);
  }

  #passed(): number {
    return this.#cursors.reduce((sum, { range: { low, end }, next }) => {
      return sum + Number((next < end ? next : end) - low);
    }, 0);
  }

  /** @throws RelayError KAFKA_UNAVAILABLE if nothing has advanced for too long */
  #expectMoves(cause?: Error): void {
    if (performance.now() - this.#movedMs < this.#options.stallMs) return;
    const cursor = this.#cursors.find(({ range, next }) => next < range.end);
    if (cursor === undefined && cause === undefined) return; // following, and nothing new came
    const { topic, partition, end } = (cursor ?? this.#cursors[0]!).range;
    const { next } = cursor ?? this.#cursors[0]!;
    throw new RelayError(
      'KAFKA_UNAVAILABLE',
      `${topic} partition ${partition} is stuck at offset ${next} of ${end}: its leader is gone, or a transaction stays open there`,
      { cause },
    );
  }
}
