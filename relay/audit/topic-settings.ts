/** Reads settings of topics, as far as they may be read. */
import type { Admin } from 'kafkajs';
import { kafkaError, topicResource } from '../connect/kafka.ts';

export type TopicSettings = ReadonlyMap<string, string | null>;

/**
 * By topic.
 * @returns undefined without the right to read the settings of each of them
 * @throws RelayError KAFKA_*
 */
export async function readTopicSettings(
  admin: Admin,
  topics: readonly string[],
  configNames: string[],
): Promise<Map<string, TopicSettings> | undefined> {
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type: topicResource, name, configNames })),
    });
    return new Map(
      resources.map(({ resourceName, configEntries }) => [
        resourceName,
        new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
      ]),
    );
  } catch (error) {
    const failure = kafkaError(error, 'reading the settings of topics');
    if (failure.code === 'KAFKA_UNAUTHORIZED') return undefined;
    throw failure;
  }
}
