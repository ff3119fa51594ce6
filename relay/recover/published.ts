/** What Kafka holds: the ids of events, and for each topic what it may have removed. */
import type { Admin, Kafka } from 'kafkajs';
import { replayOf } from '../audit/audited.ts';
import { commitToleranceMs } from '../audit/commit-tolerance.ts';
import { type Compacted, findCompacted } from '../audit/compacted.ts';
import { extendToHighWatermarks } from '../audit/high-watermarks.ts';
import {
  headerText,
  listTopics,
  offsetCount,
  type PartitionRange,
  readTopics,
  stableRanges,
  stallMsOf,
  type TopicRecord,
} from '../audit/read-topics.ts';
import { routedId } from '../audit/routed-id.ts';
import type { Config } from '../config/config.ts';
import { allowList } from '../config/topic-patterns.ts';
import { IdTable } from './id-table.ts';

export type Published = {
  /**
   * Ids in records. Each with the number of its partition, as `removed` has it, if that is trimmed and the first record of
   * the id is from before the snapshot `covered`; else with 0.
   */
  readonly ids: Pick<IdTable, 'find' | 'has'>;
  readonly records: number;
  /** Topics that were read. */
  readonly topics: ReadonlySet<string>;
  /** Topics from which something was removed, each with the numbers of its trimmed partitions, from 1 on. */
  readonly removed: ReadonlyMap<string, readonly number[] | 'compacted'>;
  /** How many partitions each topic has. */
  readonly partitions: ReadonlyMap<string, number>;
  /** Partitions whose beginning Kafka has removed, as `topic/partition`. */
  readonly trimmed: ReadonlySet<string>;
  /** For compacted topics that are not trimmed: the keys that still have a record, no matter who wrote it. */
  readonly keys: ReadonlyMap<string, CompactedKeys>;
};

export type CompactedKeys = {
  readonly keys: Pick<IdTable, 'has'>;
  /** How long the topic keeps a tombstone at least, ms. */
  readonly tombstonesKeptMs: number;
};

export type PublishedOptions = {
  readonly config: Config;
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly signal: AbortSignal | undefined;
  /** When the snapshot `covered` was taken, ms since 1970; null if there is none. */
  readonly coveredMs: number | null;
  readonly onDone: (done: number, total: number) => void;
  /** Only these ids are kept, and so need memory; all by default. */
  readonly wanted?: Pick<IdTable, 'has'>;
  /** Called with each record that has an id, before the id is kept. */
  readonly onEvent?: (id: string, record: TopicRecord) => void;
  /** Reads the id of a record; by default the header `id`. */
  readonly idOf?: (record: TopicRecord) => string | undefined;
};

/**
 * Reads all topics that may hold events, up to their present ends, under `read_committed`. Call it once every predecessor
 * is fenced: by then, what they wrote is committed or aborted.
 * @throws RelayError KAFKA_*
 */
export async function readPublished(options: PublishedOptions): Promise<Published> {
  const { config, kafka, admin, signal, coveredMs, onDone, wanted, onEvent, idOf = idInHeader } = options;
  const allowed = allowList(config.topics.allow, config.kafka.progressTopic);
  const topics = (await listTopics(admin)).filter((topic) => allowed.test(topic));
  const stallMs = stallMsOf(config);
  const ranges = await extendToHighWatermarks(kafka, await stableRanges(admin, topics), stallMs);
  const trimmed = ranges.filter(({ low }) => low > 0n);
  const numbers = new Map(trimmed.map(({ topic, partition }, index) => [`${topic}/${partition}`, index + 1]));
  // Without the right to read the settings, every topic may be compacted, and none counts as whole.
  const compacted = await findCompacted(admin, topics);
  const keys = keysOf(compacted ?? new Map(), trimmed);
  /** Topics from which Kafka removed something while they were read. */
  const trimmedMeanwhile = new Set<string>();
  const ids = new IdTable();
  const oldUntilMs = coveredMs === null ? Number.NEGATIVE_INFINITY : coveredMs - commitToleranceMs;
  const total = offsetCount(ranges);
  let records = 0;
  onDone(0, total);
  await readTopics({
    kafka,
    ranges,
    stallMs,
    onDone: (done) => onDone(done, total),
    onTrimmed: (topic) => trimmedMeanwhile.add(topic),
    onRecords: (some) => {
      signal?.throwIfAborted();
      for (const record of some) {
        const { topic, partition, committedAtMs, key, headers } = record;
        if (key !== null) keys.get(topic)?.keys.add(key.toString(), 0);
        const id = idOf(record);
        if (id === undefined) continue;
        records += 1;
        onEvent?.(id, record);
        if (wanted?.has(id) === false) continue;
        // What a replay wrote is younger than its event, so it does not show that what came after the event is still there.
        const timeMs = replayOf(headers) === undefined ? committedAtMs : Number.POSITIVE_INFINITY;
        ids.add(id, timeMs < oldUntilMs ? (numbers.get(`${topic}/${partition}`) ?? 0) : 0);
      }
    },
  });
  const removed = removedOf(trimmed, numbers, compacted?.keys() ?? topics);
  for (const topic of trimmedMeanwhile) {
    keys.delete(topic);
    if (removed.get(topic) !== 'compacted') removed.set(topic, [unseen]);
  }
  const partitions = new Map<string, number>();
  for (const { topic } of ranges) partitions.set(topic, (partitions.get(topic) ?? 0) + 1);
  const topicsRead = new Set(topics);
  return { ids, records, topics: topicsRead, removed, partitions, trimmed: new Set(numbers.keys()), keys };
}

/** Of a connector, whose records have no position, the id may be in quotes. */
const idInHeader = ({ headers }: TopicRecord): string | undefined =>
  headerText(headers, 'position') === undefined ? routedId(headers) : headerText(headers, 'id');

/** No partition has this number, so the topic never counts as seen: Kafka removed something while it was read. */
export const unseen = -1;

function keysOf(compacted: Compacted, trimmed: readonly PartitionRange[]) {
  const keys = new Map<string, { readonly keys: IdTable; readonly tombstonesKeptMs: number }>();
  for (const [topic, tombstonesKeptMs] of compacted)
    keys.set(topic, { keys: new IdTable(), tombstonesKeptMs });
  for (const { topic } of trimmed) keys.delete(topic);
  return keys;
}

function removedOf(
  trimmed: readonly PartitionRange[],
  numbers: ReadonlyMap<string, number>,
  compacted: Iterable<string>,
): Map<string, readonly number[] | 'compacted'> {
  const removed = new Map<string, readonly number[] | 'compacted'>();
  for (const { topic, partition } of trimmed) {
    const partitions = removed.get(topic) ?? [];
    if (partitions === 'compacted') continue;
    removed.set(topic, [...partitions, numbers.get(`${topic}/${partition}`)!]);
  }
  for (const topic of compacted) removed.set(topic, 'compacted');
  return removed;
}
