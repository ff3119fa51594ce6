/** Waits until the progress in Kafka, read by the audit's own reader, reaches an LSN; finds the producers of all progress. */
import type { Admin, Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { isProgressTopic } from '../config/topic-patterns.ts';
import { connectAdmin } from '../connect/kafka.ts';
import { asRelayError } from '../errors.ts';
import { abortAfter } from '../model/abort.ts';
import type { Lsn } from '../model/position.ts';
import { type Progress, parseProgress } from '../model/progress.ts';
import type { Writer } from './producers.ts';
import {
  assertVisible,
  isAbsent,
  listTopics,
  type PartitionRange,
  readTopics,
  stableRanges,
  stallMsOf,
} from './read-topics.ts';

export type AwaitProgressOptions = {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly topic: string;
  readonly slot: string;
  /** Only a progress of this database can be compared with `reach`. */
  readonly systemIdentifier: string;
  readonly reach: Lsn;
  /** Does not limit the reading of what is already in the topic. */
  readonly waitMs: number;
  readonly stallMs: number;
  /** Ends the wait early. */
  readonly signal?: AbortSignal;
  /** Begin this many offsets before the end, if there is a progress of the slot; by default with the first. */
  readonly tailOffsets?: bigint | undefined;
  /** Other slots of this database. */
  readonly siblings?: ReadonlySet<string> | undefined;
  /** Called with each producer of a progress in the topic. */
  readonly onProducer?: OnProducer;
};

type OnProducer = (producerId: bigint, writer: Writer) => void;

/**
 * The latest progress of the slot: as soon as it is at `reach`, otherwise the one after `waitMs`; null if there is none or
 * the topic does not exist.
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
  const ranges = await stableRanges(options.admin, [topic]);
  await readTopics({
    kafka,
    ranges: tails(ranges, options.tailOffsets),
    stallMs,
    onRecords: (records) => {
      for (const { key, value, producerId } of records) {
        const name = key?.toString() ?? '';
        if (producerId !== undefined)
          options.onProducer?.(
            producerId,
            slotOf(name) === slot ? 'this slot' : otherWriter(name, value, options),
          );
        if (value !== null && name === slot) latest = value.toString();
      }
      isReached = latest !== undefined && isAt(parseProgress(latest), options);
    },
    follow: { isDone: () => isReached, signal: abortAfter(waitMs, options.signal) },
  });
  if (latest === undefined && options.tailOffsets !== undefined)
    return awaitProgress({ ...options, tailOffsets: undefined });
  return latest === undefined ? null : parseProgress(latest);
}

/**
 * The latest progress of the slot as of now; null if there is none or the topic does not exist.
 * @throws RelayError KAFKA_*, PROGRESS_UNREADABLE
 */
export function latestProgress(
  { config, kafka, admin }: { readonly config: Config; readonly kafka: Kafka; readonly admin: Admin },
  systemIdentifier: string,
): Promise<Progress | null> {
  return awaitProgress({
    kafka,
    admin,
    topic: config.kafka.progressTopic,
    slot: config.slot.name,
    systemIdentifier,
    // An LSN has 64 bits: no progress reaches this, so the topic is read to its present end.
    reach: 1n << 64n,
    waitMs: 0,
    stallMs: stallMsOf(config),
  });
}

function tails(ranges: readonly PartitionRange[], offsets: bigint | undefined): readonly PartitionRange[] {
  if (offsets === undefined) return ranges;
  return ranges.map(({ low, end, ...place }) => ({
    ...place,
    low: end - low > offsets ? end - offsets : low,
    end,
  }));
}

/**
 * Finds the producers of other slots, whose progress is in topics of their own, and those of this slot's replays. Topics
 * that may not be read, or that somebody deletes meanwhile, are skipped; the records of their producers are then strangers
 * like any.
 *
 * A slot of the same name in another cluster of Postgres is another one: then the lineage tells.
 * @throws RelayError KAFKA_*
 */
export async function findProducers(
  { kafka, admin, topic: own, stallMs, slot, systemIdentifier, siblings, tailOffsets }: ProducersOf,
  onProducer: OnProducer,
): Promise<void> {
  const topics = await listTopics(admin);
  for (const topic of topics.filter((name) => name !== own && isProgressTopic(name, own)))
    try {
      await readTopics({
        kafka,
        ranges: tails(await rangesApart(kafka, topic), tailOffsets),
        stallMs,
        onRecords: (records) => {
          for (const { key, value, producerId } of records) {
            if (producerId === undefined) continue;
            const name = key?.toString() ?? '';
            const isOfName = slotOf(name) === slot;
            const lineage = isOfName ? lineageOf(value) : undefined;
            // A claim has no lineage, and the progress that follows it has.
            if (!isOfName) onProducer(producerId, otherWriter(name, value, { systemIdentifier, siblings }));
            else if (lineage !== undefined)
              onProducer(producerId, lineage === systemIdentifier ? 'this slot' : 'elsewhere');
          }
        },
      });
    } catch (error) {
      const isHidden = asRelayError(error).code === 'KAFKA_UNAUTHORIZED';
      if (!isHidden && !(await isAbsent(admin, topic, error))) throw error;
    }
}

/**
 * Over connections of its own. An admin client of kafkajs asks for all topics that it was ever asked for, with each later
 * question about any of them, and fails once one is deleted: a topic of others must not end what is read of one's own.
 */
async function rangesApart(kafka: Kafka, topic: string): Promise<readonly PartitionRange[]> {
  const admin = kafka.admin();
  try {
    await connectAdmin(admin);
    return await stableRanges(admin, [topic]);
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

type ProducersOf = Pick<
  AwaitProgressOptions,
  'kafka' | 'admin' | 'topic' | 'stallMs' | 'slot' | 'systemIdentifier' | 'siblings' | 'tailOffsets'
>;

/** Of a progress or a claim of another slot. A claim has no lineage: then the name of the slot tells. */
function otherWriter(
  key: string,
  value: Buffer | null,
  { systemIdentifier, siblings }: Pick<AwaitProgressOptions, 'systemIdentifier' | 'siblings'>,
): Writer {
  if (siblings?.has(slotOf(key)) !== true) return 'elsewhere';
  return (lineageOf(value) ?? systemIdentifier) === systemIdentifier ? 'this database' : 'elsewhere';
}

/** undefined where the value is no progress. */
function lineageOf(value: Buffer | null): string | undefined {
  try {
    return value === null ? undefined : parseProgress(value.toString()).systemIdentifier;
  } catch {
    return undefined;
  }
}

/** The key of a claim is the slot, a slash and more; the name of a slot has no slash. */
const slotOf = (key: string): string => key.split('/')[0]!;

/** Whether everything that was committed before `reach` is published. */
export function isAt(
  progress: Progress,
  { reach, systemIdentifier }: { readonly reach: Lsn; readonly systemIdentifier: string },
): boolean {
  return progress.systemIdentifier === systemIdentifier && progress.endLsn >= reach;
}
