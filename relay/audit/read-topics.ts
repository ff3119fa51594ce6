/**
 * Reads topics up to where they ended at a known instant, under `read_committed`. Of the relay it shares how a partition
 * is read and nothing of how one is written, so that the audit, the demo and the tests can hold the relay to account with
 * it. It asks the leaders of the partitions and needs no consumer group, which would outlive it.
 *
 * Where is the end? For the audit the high watermark (`extendToHighWatermarks`), not the last stable offset: Kafka answers a
 * commit before it has written the markers that make the events visible, so the last stable offset may still lie before
 * events of a transaction that is already known to be committed. Transactions that are open at the watermark are waited
 * for; the broker ends them after their timeout at the latest.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, Kafka } from 'kafkajs';
import { backoffMs } from '../connect/backoff.ts';
import { kafkaError, kafkaErrorType } from '../connect/kafka.ts';
import { commitTimeMs, committedAtHeader } from '../encode/record-time.ts';
import { RelayError } from '../errors.ts';
import type { FetchedRecord } from '../publish/wire/fetch.ts';
import type { RecordHeaders } from '../publish/wire/record-batch.ts';
import { PartitionReader } from './partition-reader.ts';

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
  readonly headers: RecordHeaders;
  /** Of the producer that wrote it in a transaction; undefined where it was written without one. */
  readonly producerId: bigint | undefined;
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
  /** Kafka removed the beginning of the partition while it was read; records that were to come are gone. */
  readonly onTrimmed?: (topic: string, partition: number) => void;
  /** Go on past the ends until `isDone` (asked after each batch) or `signal`; the ends are reached in any case. */
  readonly follow?: { readonly isDone: () => boolean; readonly signal: AbortSignal };
};

/** How long a round waits for data once the one before had none, and so how long `follow` takes to end at most. */
const maxWaitMs = 200;
/** About 13,000 records of 300 bytes; larger ones make the broker no faster, and memory holds two answers. */
const maxBytes = 4 * 1024 * 1024;
/** A broker that says nothing for so long is asked again over a new connection. */
const noAnswerMs = 30_000;
const retry = { initialDelayMs: 50, maxDelayMs: 1_000 };

/** Of a header that occurs twice, the first: the relay's own come before a row's. */
export function headerText(headers: RecordHeaders, name: string): string | undefined {
  return headers.find(([each]) => each === name)?.[1]?.toString();
}

/** Names of the topics that exist, as far as they may be seen. @throws RelayError KAFKA_* */
export async function listTopics(admin: Admin): Promise<string[]> {
  try {
    return (await admin.listTopics()).sort();
  } catch (error) {
    throw kafkaError(error, 'listing the topics');
  }
}

/**
 * That these topics, which a listing lacks, do not exist: a listing leaves out what may not be seen.
 * @throws RelayError KAFKA_UNAUTHORIZED where one is hidden
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
 * @throws RelayError KAFKA_* when a partition cannot be read, or KAFKA_UNAVAILABLE when none moves for `stallMs`.
 */
export async function readTopics(options: ReadTopicsOptions): Promise<void> {
  await new Reading(options).run();
}

/** An error of `onRecords`: it ends the reading, and is nobody else's. */
class Refused extends Error {}

type Cursor = {
  readonly range: PartitionRange;
  /** First offset that was not handed over yet. */
  next: bigint;
};

class Reading {
  readonly #options: ReadTopicsOptions;
  readonly #cursors: readonly Cursor[];
  #movedMs = performance.now();

  constructor(options: ReadTopicsOptions) {
    this.#options = options;
    this.#cursors = options.ranges.map((range) => ({ range, next: range.low }));
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

  /** Round after round: a partition that has nothing yet must not keep the others waiting. */
  async #readAll(reader: PartitionReader): Promise<void> {
    let waitMs = 0;
    while (!this.#isOver()) {
      const beganMs = performance.now();
      const cursors = this.#cursors.filter((each) => this.#isWanted(each, each.next));
      for (const cursor of cursors) {
        await this.#drain(reader, cursor, Math.ceil(waitMs / cursors.length));
        if (this.#isOver()) return;
      }
      if (this.#movedMs < beganMs) this.#expectMoves();
      waitMs = this.#movedMs < beganMs ? maxWaitMs : 0;
    }
  }

  /** What a partition has now; while some of it is dealt with, the next is on its way. */
  async #drain(reader: PartitionReader, cursor: Cursor, waitMs: number): Promise<void> {
    const { topic, partition } = cursor.range;
    const fetch = (from: bigint, maxWaitMs: number) =>
      reader.fetch({ topic, partition, fromOffset: from, maxWaitMs, maxBytes });
    let coming = fetch(cursor.next, waitMs);
    for (;;) {
      const { records, nextOffset, isTrimmed } = await coming;
      if (nextOffset === cursor.next) return;
      const isMore = this.#isWanted(cursor, nextOffset);
      if (isMore) {
        coming = fetch(nextOffset, 0);
        coming.catch(() => {}); // awaited only once the records are dealt with
      }
      if (isTrimmed) this.#options.onTrimmed?.(topic, partition);
      await this.#handOver(cursor, records);
      cursor.next = nextOffset;
      this.#movedMs = performance.now();
      this.#options.onProgress?.(this.#passed());
      if (!isMore || this.#isOver()) return;
    }
  }

  async #handOver({ range, next }: Cursor, fetched: readonly FetchedRecord[]): Promise<void> {
    const { topic, partition, end } = range;
    const { follow, onRecords } = this.#options;
    const records = fetched
      // On a running system the partition goes on growing; what comes after the end is nobody's business here.
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

  /** @throws RelayError KAFKA_UNAVAILABLE where nothing has moved for too long */
  #expectMoves(cause?: Error): void {
    if (performance.now() - this.#movedMs < this.#options.stallMs) return;
    const cursor = this.#cursors.find(({ range, next }) => next < range.end);
    if (cursor === undefined && cause === undefined) return; // following, and nothing new came
    const { topic, partition, end } = (cursor ?? this.#cursors[0]!).range;
    const { next } = cursor ?? this.#cursors[0]!;
    throw new RelayError(
      'KAFKA_UNAVAILABLE',
      `${topic} partition ${partition} does not get past offset ${next} of ${end}: its leader is gone, or a transaction there stays open`,
      { cause },
    );
  }
}
