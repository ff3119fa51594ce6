/** A `read_committed` consumer apart from the relay: what is in a topic, and when the broker appended it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';

export type TopicContent = {
  readonly missing: number;
  readonly duplicates: number;
  /** Records of an id that was never committed to the outbox. */
  readonly unknown: number;
  /** When the broker appended the first batch and the last, in ms since the epoch. */
  readonly firstMs: number;
  readonly lastMs: number;
};

const endPollMs = 50;

/** Resolves when the partitions hold so many offsets and have not grown for `quietMs` (markers count among them). */
export async function untilWritten(
  kafka: Kafka,
  topic: string,
  events: number,
  check: () => void,
  quietMs = 200,
): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  let last = 0;
  let sinceMs = performance.now();
  try {
    for (;;) {
      const offsets = await admin.fetchTopicOffsets(topic);
      const total = offsets.reduce((sum, { high }) => sum + Number(high), 0);
      if (total !== last) {
        last = total;
        sinceMs = performance.now();
      }
      if (total >= events && performance.now() - sinceMs >= quietMs) return;
      check();
      await sleep(endPollMs);
    }
  } finally {
    await admin.disconnect();
  }
}

/** Reads a topic to the end it has now. @throws when it cannot within a minute without progress */
export async function readTopic(
  kafka: Kafka,
  topic: string,
  expected: ReadonlySet<string>,
): Promise<TopicContent> {
  const admin = kafka.admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  const open = new Map(
    offsets.filter(({ high }) => high !== '0').map(({ partition, high }) => [partition, BigInt(high)]),
  );
  const seen = new Set<string>();
  const found = { duplicates: 0, unknown: 0, firstMs: Number.POSITIVE_INFINITY, lastMs: 0 };
  if (open.size === 0) return { ...found, missing: expected.size };
  const consumer = kafka.consumer({
    groupId: `bench-${randomUUID()}`,
    readUncommitted: false,
    maxWaitTimeInMs: 50,
  });
  const done = Promise.withResolvers<void>();
  const timer = setTimeout(() => done.reject(new Error(`${topic} could not be read to its end`)), 60_000);
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
    timer.refresh();
    if (BigInt(lastOffset) + 1n >= (open.get(partition) ?? 0n)) open.delete(partition);
    if (open.size === 0) done.resolve();
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      async eachBatch({ batch }) {
        for (const { headers, timestamp } of batch.messages) {
          const id = String(headers?.id);
          if (!expected.has(id)) found.unknown += 1;
          if (seen.has(id)) found.duplicates += 1;
          seen.add(id);
          const atMs = Number(timestamp);
          if (atMs < found.firstMs) found.firstMs = atMs;
          if (atMs > found.lastMs) found.lastMs = atMs;
        }
      },
    });
    await done.promise;
  } finally {
    clearTimeout(timer);
    await consumer.disconnect();
  }
  const missing = [...expected].filter((id) => !seen.has(id)).length;
  return { ...found, missing };
}
