/** What Kafka holds of the events: their ids, and what is known of those it has removed. */
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
import type { Kept } from './gap.ts';

export type Published = {
  /** Ids that a record names. */
  readonly ids: EventIndex;
  readonly records: number;
  readonly topics: readonly string[];
} & Pick<Kept, 'fromMs' | 'lastMs'>;

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
  const kept = new KeptFrom(ranges, await findCompacted(admin, topics));
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
        kept.note(topic, partition, committedAtMs);
        const id = headerText(headers, 'id');
        if (id === undefined) continue;
        records += 1;
        ids.add(id, 0, committedAtMs);
      }
    },
  });
  return { ids, records, topics, fromMs: kept.fromMs(), lastMs: kept.lastMs };
}

/** From when on topics hold everything: of each, the latest of its partitions whose beginning was removed. */
class KeptFrom {
  /** Partitions whose beginning is gone and that had no record yet, with their topic. */
  readonly #trimmed = new Map<string, string>();
  readonly #fromMs = new Map<string, number>();
  lastMs = Number.NEGATIVE_INFINITY;

  /** @param compacted topics from which records go in the middle, so that their times tell nothing. */
  constructor(ranges: readonly PartitionRange[], compacted: ReadonlySet<string>) {
    for (const { topic, partition, low } of ranges) {
      if (low > 0n) this.#trimmed.set(`${topic}/${partition}`, topic);
      if (compacted.has(topic)) this.#fromMs.set(topic, Number.POSITIVE_INFINITY);
    }
  }

  note(topic: string, partition: number, committedAtMs: number): void {
    this.lastMs = Math.max(this.lastMs, committedAtMs);
    if (!this.#trimmed.delete(`${topic}/${partition}`)) return;
    this.#fromMs.set(topic, Math.max(committedAtMs, this.#fromMs.get(topic) ?? committedAtMs));
  }

  /** To be called when all is read: a trimmed partition without a record may have held anything. */
  fromMs(): ReadonlyMap<string, number> {
    for (const topic of this.#trimmed.values()) this.#fromMs.set(topic, Number.POSITIVE_INFINITY);
    return this.#fromMs;
  }
}

/** None where the right to read the settings is missing: the relay itself does without. */
async function findCompacted(admin: Admin, topics: readonly string[]): Promise<Set<string>> {
  if (topics.length === 0) return new Set();
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type: topicResource, name, configNames: ['cleanup.policy'] })),
    });
    return new Set(
      resources
        .filter(({ configEntries }) => configEntries.some(({ configValue }) => /compact/.test(configValue)))
        .map(({ resourceName }) => resourceName),
    );
  } catch (error) {
    const failure = kafkaError(error, 'reading the settings of topics');
    if (failure.code === 'KAFKA_UNAUTHORIZED') return new Set();
    throw failure;
  }
}
