/**
 * Which absent events compaction accounts for. From a compacted topic Kafka removes every record that a later one of its key
 * has followed, and a tombstone some time after it was written; whatever is younger must be there.
 */
import type { Admin } from 'kafkajs';
import { kafkaError } from '../connect/kafka.ts';

/** ConfigResourceTypes.TOPIC of the protocol. */
const topicResource = 2;

/** By compacted topic: how long a tombstone stays at least, ms. */
export type Compacted = ReadonlyMap<string, number>;

/** undefined where the right to read the settings is missing. @throws RelayError KAFKA_* */
export async function findCompacted(admin: Admin, topics: readonly string[]): Promise<Compacted | undefined> {
  if (topics.length === 0) return new Map();
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({
        type: topicResource,
        name,
        configNames: ['cleanup.policy', 'delete.retention.ms'],
      })),
    });
    const compacted = new Map<string, number>();
    for (const { resourceName, configEntries } of resources) {
      const settings = new Map(configEntries.map(({ configName, configValue }) => [configName, configValue]));
      if (settings.get('cleanup.policy')?.includes('compact'))
        compacted.set(resourceName, Number(settings.get('delete.retention.ms') ?? 0));
    }
    return compacted;
  } catch (error) {
    const failure = kafkaError(error, 'reading the settings of topics');
    if (failure.code === 'KAFKA_UNAUTHORIZED') return undefined;
    throw failure;
  }
}

/** Of the key of an absent event, in a compacted topic. */
export type KeyState = {
  /** When its last record that is left was committed, ms; undefined where none is left. */
  readonly lastRecordMs: number | undefined;
  /** When its last tombstone was written that may be removed by now, ms; undefined where there is none. */
  readonly lastTombstoneMs: number | undefined;
};

/**
 * Whether compaction may have removed the record of an absent event.
 * @param eventMs when it was committed, or written where that is not known; undefined where neither is
 */
export function isSuperseded(
  eventMs: number | undefined,
  { lastRecordMs, lastTombstoneMs }: KeyState,
): boolean {
  const laterMs = Math.max(
    lastRecordMs ?? Number.NEGATIVE_INFINITY,
    lastTombstoneMs ?? Number.NEGATIVE_INFINITY,
  );
  return eventMs === undefined ? Number.isFinite(laterMs) : eventMs <= laterMs;
}
