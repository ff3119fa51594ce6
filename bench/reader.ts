/** What is in a topic, as an independent `read_committed` consumer sees it, and when the broker appended it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { withAdmin } from '../harness/kafka.ts';
import { TopicReader } from '../harness/topic-reader.ts';
// So that it reads every codec.
import '../relay/connect/compression/codecs.ts';
import { numberOf } from './workload.ts';

export type TopicContent = {
  readonly missing: number;
  readonly duplicates: number;
  /** Records of an id that was never committed to the outbox. */
  readonly unknown: number;
  /** When the broker appended the first batch and the last, in ms since the epoch. */
  readonly firstMs: number;
  readonly lastMs: number;
};

const endPollMs = 20;
/**
 * Transaction markers take offsets too, one in each of up to 100 partitions, so enough offsets are not yet all events.
 */
const quietMs = 1_000;
/** A relay may have to reconnect, and a JVM to compile its code; if nothing is written for longer, it has stopped. */
const stallMs = 120_000;
/** A reader that receives nothing for so long does not reach the end. */
const readStallMs = 60_000;

/**
 * Resolves when the partitions hold so many offsets and have not grown for a while (markers count among them).
 * @param onGrowth called each time they were seen to have grown: the last call is up to 20 ms after the last event
 */
export async function untilWritten(
  kafka: Kafka,
  topic: string,
  events: number,
  check: () => void | Promise<void>,
  onGrowth: () => Promise<void> = async () => {},
): Promise<void> {
  let last = 0;
  let sinceMs = performance.now();
  await withAdmin(kafka, async (admin) => {
    for (;;) {
      // A new topic of many partitions may not have all its leaders yet.
      const offsets = await admin.fetchTopicOffsets(topic).catch(() => undefined);
      const total = offsets?.reduce((sum, { high }) => sum + Number(high), 0) ?? last;
      if (total !== last) {
        last = total;
        sinceMs = performance.now();
        await onGrowth();
      }
      if (total >= events && performance.now() - sinceMs >= quietMs) return;
      if (performance.now() - sinceMs > stallMs)
        throw new Error(`${topic} has held ${last} of ${events} events for ${stallMs / 1_000} s`);
      await check();
      await sleep(endPollMs);
    }
  });
}

/** What a value is: framed Avro, or the text of a JSON object. */
export type Form = 'avro' | 'json';

/** A value of the other form would be the figure of another contender. */
export function hasForm(value: Uint8Array | null, form: Form): boolean {
  // A zero byte, the four of the schema's id, and at least one of the record.
  return form === 'avro'
    ? value?.[0] === 0 && value.length > 5
    : value?.[0] === 0x7b && value.at(-1) === 0x7d;
}

/**
 * Reads a topic to the end it has now. @throws when it cannot within a minute without progress, and where a value has
 * another form than the one given
 */
export async function readTopic(
  kafka: Kafka,
  topic: string,
  events: number,
  form?: Form,
): Promise<TopicContent> {
  const offsets = await withAdmin(kafka, (admin) => admin.fetchTopicOffsets(topic));
  const ends = offsets.map(({ partition, high }) => ({ topic, partition, end: BigInt(high) }));
  const times = new Uint8Array(events);
  let misformed = 0;
  const found = { duplicates: 0, unknown: 0, firstMs: Number.POSITIVE_INFINITY, lastMs: 0 };
  const reader = new TopicReader({
    kafka,
    topics: [topic],
    onRecord: (_topic, _partition, { headers, timestamp, value }) => {
      if (form !== undefined && !hasForm(value, form)) misformed += 1;
      const number = numberOf(String(headers?.id));
      const before = times[number];
      if (before === undefined) found.unknown += 1;
      else if (before > 0) found.duplicates += 1;
      else times[number] = 1;
      const atMs = Number(timestamp);
      if (atMs < found.firstMs) found.firstMs = atMs;
      if (atMs > found.lastMs) found.lastMs = atMs;
    },
  });
  try {
    await reader.start();
    await reader.readTo(ends, readStallMs);
  } finally {
    await reader.stop();
  }
  if (misformed > 0) throw new Error(`${misformed} values in ${topic} are not ${form}`);
  const missing = times.reduce((sum, one) => sum + (one === 0 ? 1 : 0), 0);
  return { ...found, missing };
}
