/** Asks the cluster about topics, for the checks of Kafka, and judges whether they survive the loss of a broker. */
import type { Admin, ITopicMetadata, Kafka } from 'kafkajs';
import type { Config } from '../../config/config.ts';
import { allowList } from '../../config/topic-patterns.ts';
import { kafkaError, topicResource } from '../../connect/kafka.ts';
import { ok, type Verdict, warn } from './finding.ts';

export type KafkaContext = { readonly kafka: Kafka; readonly admin: Admin; readonly config: Config };

/** Of those that do not exist nothing is said. */
export async function describeTopics(context: KafkaContext, topics: string[]): Promise<ITopicMetadata[]> {
  const existing = new Set(await listTopics(context));
  return describeExisting(
    context,
    topics.filter((topic) => existing.has(topic)),
  );
}

/** @param topics that the cluster has just listed */
export async function describeExisting({ admin }: KafkaContext, topics: string[]): Promise<ITopicMetadata[]> {
  // For an empty list kafkajs describes every topic.
  if (topics.length === 0) return [];
  const { topics: described } = await admin.fetchTopicMetadata({ topics }).catch((error: unknown) => {
    throw kafkaError(error, 'describing topics');
  });
  return described;
}

/** @throws RelayError KAFKA_* */
export function listTopics({ admin }: KafkaContext): Promise<string[]> {
  return admin.listTopics().catch((error: unknown) => {
    throw kafkaError(error, 'listing topics');
  });
}

/** The topics that topics.allow lists. */
export async function findEventTopics(context: KafkaContext): Promise<ITopicMetadata[]> {
  const { topics, kafka } = context.config;
  const allowed = allowList(topics.allow, kafka.progressTopic);
  return describeExisting(
    context,
    (await listTopics(context)).filter((topic) => allowed.test(topic)),
  );
}

export type TopicSettings = Readonly<Partial<Record<string, string>>>;

const settingNames = ['cleanup.policy', 'min.insync.replicas', 'max.message.bytes', 'compression.type'];

/** Empty where the right to read them is missing: the relay itself does without. */
export async function readSettings(
  { admin }: KafkaContext,
  topics: string[],
  names: readonly string[] = settingNames,
): Promise<Map<string, TopicSettings>> {
  if (topics.length === 0) return new Map();
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type: topicResource, name, configNames: [...names] })),
    });
    return new Map(
      resources.map(({ resourceName, configEntries }) => [
        resourceName,
        Object.fromEntries(configEntries.map(({ configName, configValue }) => [configName, configValue])),
      ]),
    );
  } catch (error) {
    const failure = kafkaError(error, 'reading the settings of topics');
    if (failure.code === 'KAFKA_UNAUTHORIZED') return new Map();
    throw failure;
  }
}

/** Three copies of which two must agree: one broker may be lost without losing data or stopping. */
export const safeReplicas = 3;
const safeInsync = 2;

/** What could lose committed events with one broker. @param found what to say of the topics besides */
export function judgeDurability(
  topics: readonly { topic: ITopicMetadata; insync: string | undefined }[],
  found: string,
): Verdict {
  const replicas = (topic: ITopicMetadata) =>
    Math.min(...topic.partitions.map((partition) => partition.replicas.length));
  const thin = topics.filter(({ topic }) => replicas(topic) < safeReplicas).map(({ topic }) => topic.name);
  const loose = topics.filter(({ insync }) => Number(insync) < safeInsync).map(({ topic }) => topic.name);
  const faults = [
    ...(thin.length > 0 ? [`fewer than ${safeReplicas} replicas: ${few(thin)}`] : []),
    ...(loose.length > 0 ? [`min.insync.replicas below ${safeInsync}: ${few(loose)}`] : []),
  ];
  if (faults.length === 0) return ok(found);
  return warn(
    `${found}; ${faults.join('; ')}`,
    `Use ${safeReplicas} replicas and min.insync.replicas=${safeInsync}. With less, the loss of one broker can lose committed events.`,
  );
}

/** As many names as a line holds. */
export function few(names: readonly string[]): string {
  const shown = 5;
  const rest = names.length - shown;
  return names.slice(0, shown).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
