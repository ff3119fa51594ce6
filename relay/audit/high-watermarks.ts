/**
 * Finds the high watermarks of partitions: the ends of everything that was written, including open transactions. The
 * admin client returns only the last stable offset (its ListOffsets always asks as `read_committed`), but the answer to a
 * fetch has both.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { backoffMs } from '../connect/backoff.ts';
import { kafkaError } from '../connect/kafka.ts';
import { PartitionReader } from './partition-reader.ts';
import type { PartitionRange } from './read-topics.ts';

const noAnswerMs = 10_000;
const retry = { initialDelayMs: 50, maxDelayMs: 1_000 };

/**
 * The ranges with the high watermark of now, or later, as their end.
 * @param stallMs how long to retry errors that may pass
 * @throws RelayError KAFKA_*
 */
export async function extendToHighWatermarks(
  kafka: Kafka,
  ranges: readonly PartitionRange[],
  stallMs: number,
): Promise<PartitionRange[]> {
  const topics = [...new Set(ranges.map(({ topic }) => topic))];
  const extended: PartitionRange[] = [];
  const beganMs = performance.now();
  for (let attempt = 0; ; attempt++) {
    const reader = new PartitionReader(kafka, topics, Math.min(noAnswerMs, stallMs));
    try {
      for (const range of ranges.slice(extended.length)) {
        const end = await reader.highWatermark(range.topic, range.partition, range.end);
        extended.push({ ...range, end: end > range.end ? end : range.end });
      }
      return extended;
    } catch (error) {
      const failure = kafkaError(error, 'finding the ends of the topics');
      if (failure.class !== 'retry' || performance.now() - beganMs > stallMs) throw failure;
      await delay(backoffMs(attempt, retry));
    } finally {
      await reader.close();
    }
  }
}
