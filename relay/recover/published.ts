/** What Kafka holds of the events: their ids, and of which topics it has removed something. */
import type { Admin, Kafka } from 'kafkajs';
import { EventIndex } from '../audit/event-index.ts';
import { extendToHighWatermarks } from '../audit/high-watermarks.ts';
import {
  headerText,
  listTopics,
  offsetCount,
  type PartitionRange,
  readTopics,
  stableRanges,
} from '../audit/read-topics.ts';
import type { Config } from '../config.ts';
import { kafkaError } from '../kafka.ts';
import { allowList } from '../topic-patterns.ts';

export type Published = {
  /** Ids that a record names, with when the first record says that its event was committed. */
  readonly ids: EventIndex;
  readonly records: number;
  /** Topics of which something was removed: of each, its trimmed partitions as `ids` numbers them. */
  readonly removed: ReadonlyMap<string, readonly number[] | 'compacted'>;
};

export type PublishedOptions = {
  readonly config: Config;
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly onProgress: (done: number, total: number) => void;
};

/** Beyond the longest an abandoned transaction stays open; the broker looks for those every 10 s. */
const stallMarginMs = 30_000;

/** ConfigResourceTypes.TOPIC of the protocol. */
const topicResource = 2;

/**
 * Reads all topics that events may be in, up to their ends as of now, under `read_committed`. To be called when every
 * predecessor is fenced: what they wrote is committed or aborted by then.
 * @throws RelayError KAFKA_*
 */
export async function readPublished(options: PublishedOptions): Promise<Published> {
  const { config, kafka, admin, onProgress } = options;
  const allowed = allowList(config.topics.allow, config.kafka.progressTopic);
  const topics = (await listTopics(admin)).filter((topic) => allowed.test(topic));
  const stallMs = config.kafka.transactionTimeoutMs + stallMarginMs;
  const ranges = await extendToHighWatermarks(kafka, await stableRanges(admin, topics), stallMs);
  const trimmed = ranges.filter(({ low }) => low > 0n);
  const numbers = new Map(trimmed.map(({ topic, partition }, index) => [`${topic}/${partition}`, index + 1]));
  const ids = new EventIndex();
  const total = offsetCount(ranges);
  let records = 0;
  onProgress(0, total);
  await readTopics({
    kafka,
    ranges,
    stallMs,
    onProgress: (done) => onProgress(done, total),
    onRecords: (some) => {
      for (const { topic, partition, committedAtMs, headers } of some) {
        const id = headerText(headers, 'id');
        if (id === undefined) continue;
        records += 1;
        ids.add(id, numbers.get(`${topic}/${partition}`) ?? 0, committedAtMs);
      }
    },
  });
  return { ids, records, removed: removedOf(trimmed, numbers, await findCompacted(admin, topics)) };
}

function removedOf(
  trimmed: readonly PartitionRange[],
  numbers: ReadonlyMap<string, number>,
  compacted: ReadonlySet<string>,
): Published['removed'] {
  const removed = new Map<string, number[] | 'compacted'>();
  for (const { topic, partition } of trimmed) {
    const partitions = removed.get(topic) ?? [];
    if (partitions === 'compacted') continue;
    removed.set(topic, [...partitions, numbers.get(`${topic}/${partition}`)!]);
  }
  for (const topic of compacted) removed.set(topic, 'compacted');
  return removed;
}

/**
 * From these, records go in the middle. All of them where the settings may not be read: a topic that may be compacted
 * cannot be taken for whole.
 */
async function findCompacted(admin: Admin, topics: readonly string[]): Promise<Set<string>> {
  if (topics.length === 0) return new Set();
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type: topicResource, name, configNames: ['cleanup.policy'] })),
    });
    const readable = resources.filter(({ configEntries }) =>
      configEntries.some(({ configValue }) => !/compact/.test(configValue)),
    );
    const whole = new Set(readable.map(({ resourceName }) => resourceName));
    return new Set(topics.filter((topic) => !whole.has(topic)));
  } catch (error) {
    const failure = kafkaError(error, 'reading the settings of topics');
    if (failure.code === 'KAFKA_UNAUTHORIZED') return new Set(topics);
    throw failure;
  }
}
