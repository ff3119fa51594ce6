/**
 * Owns up to when Kafka may have removed records of a topic because of their age. Kafka removes a segment once its latest
 * record is older than retention.ms. So it removed no record that is younger, unless somebody deleted records or had set a
 * shorter time, or the topic is limited in bytes too.
 */
import type { Admin } from 'kafkajs';
import { kafkaError, topicResource } from '../connect/kafka.ts';
import { commitToleranceMs } from './commit-tolerance.ts';

/** undefined where that is not known, or where records are not removed because of their age alone. */
export type Expired = (topic: string) => number | undefined;

const settingNames = ['cleanup.policy', 'retention.ms', 'retention.bytes'];

/**
 * Called once the topics are read: until then they lose more.
 * @throws RelayError KAFKA_*
 */
export async function findExpired(admin: Admin, topics: readonly string[]): Promise<Expired> {
  const nowMs = Date.now();
  const untilMs = new Map<string, number>();
  if (topics.length === 0) return () => undefined;
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type: topicResource, name, configNames: settingNames })),
    });
    for (const { resourceName, configEntries } of resources) {
      const settings = new Map(configEntries.map(({ configName, configValue }) => [configName, configValue]));
      const until = expiredUntilMs(settings, nowMs);
      if (until !== undefined) untilMs.set(resourceName, until);
    }
  } catch (error) {
    const failure = kafkaError(error, 'reading the settings of topics');
    if (failure.code !== 'KAFKA_UNAUTHORIZED') throw failure;
  }
  return (topic) => untilMs.get(topic);
}

/** Exported for its test. The clocks of Kafka, of the database and of the application differ a little. */
export function expiredUntilMs(
  settings: ReadonlyMap<string, string | null>,
  nowMs: number,
): number | undefined {
  const keptMs = Number(settings.get('retention.ms') ?? Number.NaN);
  const isByAge = settings.get('cleanup.policy') === 'delete' && settings.get('retention.bytes') === '-1';
  if (!isByAge || Number.isNaN(keptMs)) return undefined;
  return keptMs < 0 ? Number.NEGATIVE_INFINITY : nowMs - keptMs + commitToleranceMs;
}
