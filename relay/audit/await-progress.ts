/** Waits for the progress in Kafka, read with the audit's own consumer, to reach an LSN; and who writes that of other slots. */
import type { Admin, Kafka } from 'kafkajs';
import { isProgressTopic } from '../config/topic-patterns.ts';
import { asRelayError } from '../errors.ts';
import type { Lsn } from '../model/position.ts';
import { type Progress, parseProgress } from '../model/progress.ts';
import { assertVisible, listTopics, readTopics, stableRanges } from './read-topics.ts';

export type AwaitProgressOptions = {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly topic: string;
  readonly slot: string;
  /** Only a progress of this database can be compared with `reach`. */
  readonly systemIdentifier: string;
  readonly reach: Lsn;
  /** Reading what is in the topic already takes as long as it takes. */
  readonly waitMs: number;
  readonly stallMs: number;
  /** Told of the producers of the progress of each slot that is in the topic. */
  readonly onProducer?: (producerId: bigint, slot: string) => void;
};

/**
 * The latest progress of the slot: as soon as it is at `reach`, else the one after `waitMs`; null where there is none,
 * or the topic does not exist.
 * @throws RelayError KAFKA_*, PROGRESS_UNREADABLE
 */
export async function awaitProgress(options: AwaitProgressOptions): Promise<Progress | null> {
  const { kafka, topic, slot, stallMs, waitMs } = options;
  if (!(await listTopics(options.admin)).includes(topic)) {
    await assertVisible(options.admin, [topic]);
    return null;
  }
  let latest: string | undefined;
  let isReached = false;
  await readTopics({
    kafka,
    ranges: await stableRanges(options.admin, [topic]),
    stallMs,
    onRecords: (records) => {
      for (const { key, value, producerId } of records) {
        const name = key?.toString() ?? '';
        if (producerId !== undefined) options.onProducer?.(producerId, slotOf(name));
        if (value !== null && name === slot) latest = value.toString();
      }
      isReached = latest !== undefined && isAt(parseProgress(latest), options);
    },
    follow: { isDone: () => isReached, signal: AbortSignal.timeout(waitMs) },
  });
  return latest === undefined ? null : parseProgress(latest);
}

/**
 * Tells of the producers of other slots, whose progress is in topics of their own. What may not be read stays untold: their
 * records are then strangers like any.
 * @throws RelayError KAFKA_*
 */
export async function findProducers(
  { kafka, admin, topic: own, stallMs }: Pick<AwaitProgressOptions, 'kafka' | 'admin' | 'topic' | 'stallMs'>,
  onProducer: (producerId: bigint, slot: string) => void,
): Promise<void> {
  const topics = await listTopics(admin);
  for (const topic of topics.filter((name) => name !== own && isProgressTopic(name, own)))
    try {
      await readTopics({
        kafka,
        ranges: await stableRanges(admin, [topic]),
        stallMs,
        onRecords: (records) => {
          for (const { key, producerId } of records)
            if (producerId !== undefined) onProducer(producerId, slotOf(key?.toString() ?? ''));
        },
      });
    } catch (error) {
      if (asRelayError(error).code !== 'KAFKA_UNAUTHORIZED') throw error;
    }
}

/** A claim has a key of its own, behind a slash, which no name of a slot holds. */
const slotOf = (key: string): string => key.split('/')[0]!;

/** Whether everything that was committed before `reach` is published. */
export function isAt(
  progress: Progress,
  { reach, systemIdentifier }: { readonly reach: Lsn; readonly systemIdentifier: string },
): boolean {
  return progress.systemIdentifier === systemIdentifier && progress.endLsn >= reach;
}
