/**
 * Owns what Kafka itself may have removed from the beginning of a topic. It removes a segment once its latest record is older
 * than retention.ms. So it removed no record that is younger, unless somebody deleted records or had set a shorter time, or
 * the topic is limited in bytes or compacted too.
 */
import type { Admin } from 'kafkajs';
import { commitToleranceMs } from './commit-tolerance.ts';
import { readTopicSettings, type TopicSettings } from './topic-settings.ts';

export type Retention = {
  /** Up to when records may have been removed because of their age, ms since 1970. */
  readonly expiredMs: number;
  /** Or because of the size of the topic, or by compaction: then of any age. */
  readonly isAlsoBySize: boolean;
};

/** undefined where the settings of the topic may not be read. */
export type RetentionOf = (topic: string) => Retention | undefined;

const settingNames = ['cleanup.policy', 'retention.ms', 'retention.bytes'];

/**
 * Called once the topics are read: until then they lose more.
 * @throws RelayError KAFKA_*
 */
export async function findRetention(admin: Admin, topics: readonly string[]): Promise<RetentionOf> {
  const nowMs = Date.now();
  const found = new Map<string, Retention>();
  const add = async (names: readonly string[]): Promise<boolean> => {
    const settings = await readTopicSettings(admin, names, settingNames);
    for (const [topic, each] of settings ?? []) {
      const retention = retentionOf(each, nowMs);
      if (retention !== undefined) found.set(topic, retention);
    }
    return settings !== undefined;
  };
  // One topic that may not be described fails the whole question; then each is asked for by itself.
  if (topics.length > 0 && !(await add(topics)) && topics.length > 1)
    for (const topic of topics) await add([topic]);
  return (topic) => found.get(topic);
}

/**
 * Exported for its test. The clocks of Kafka, of the database and of the application differ a little.
 * @returns undefined where a broker does not tell all of it
 */
export function retentionOf(settings: TopicSettings, nowMs: number): Retention | undefined {
  const policy = settings.get('cleanup.policy');
  const bytes = settings.get('retention.bytes');
  const keptMs = Number(settings.get('retention.ms') ?? Number.NaN);
  if (policy == null || bytes == null || Number.isNaN(keptMs)) return undefined;
  // What compaction leaves is younger than what it removed: its rules are those of `compacted.ts`.
  if (policy.includes('compact')) return { expiredMs: Number.POSITIVE_INFINITY, isAlsoBySize: true };
  const expiredMs = keptMs < 0 ? Number.NEGATIVE_INFINITY : nowMs - keptMs + commitToleranceMs;
  return { expiredMs, isAlsoBySize: bytes !== '-1' };
}
