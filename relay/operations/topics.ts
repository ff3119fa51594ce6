/**
 * What Kafka says of the topics of events: partitions, the settings that limit events, whether they survive the loss of a
 * broker, and how far consumers are behind. Changes nothing. Promise: what may not be read is null or a failure, never 0.
 */

import type { Admin, ITopicMetadata, Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { allowList } from '../config/topic-patterns.ts';
import { pause } from '../connect/backoff.ts';
import { kafkaErrorType } from '../connect/kafka.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { withResolvers } from '../model/builtins.ts';
import { readConsumerLag, TopicEnds } from '../publish/consumer-lag.ts';
import { type LogSizes, readLogSizes } from '../publish/log-sizes.ts';
import { limitSettingNames, topicLimits } from '../publish/topics.ts';
import type { Verdict } from './check/finding.ts';
import {
  describeExisting,
  judgeDurability,
  listTopics,
  readSettings,
  type TopicSettings,
} from './check/topics.ts';
import { isLike, pageOfNames } from './name-page.ts';
import { withAdmin } from './with-admin.ts';

export type TopicSettingsSeen = {
  /** As large as a batch may be: of the topic's setting and its segments, the smaller. */
  readonly maxMessageBytes: number;
  /** How old an event may be when it is published; null: as old as it likes. */
  readonly acceptedAgeMs: number | null;
  /** Milliseconds as Kafka has them, `-1` for no limit; null where it does not say. */
  readonly retentionMs: string | null;
  readonly retentionBytes: string | null;
  readonly cleanupPolicy: string | null;
  readonly minInsyncReplicas: string | null;
  readonly compressionType: string | null;
};

export type EventTopic = {
  readonly topic: string;
  readonly partitions: number;
  /** Of the partition that has the fewest. */
  readonly replicas: number;
  /** Partitions that no broker leads: nothing can be published to them. */
  readonly leaderless: readonly number[];
  /** On the disks of the leaders, of all partitions; null where Kafka does not say it of each. */
  readonly bytes: number | null;
  /** The same by partition. */
  readonly partitionBytes: readonly (number | null)[];
  /** null where the right to read them is missing. */
  readonly settings: TopicSettingsSeen | null;
  /** Whether committed events survive the loss of a broker. */
  readonly durability: Verdict;
};

export type EventTopics = {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Topics that `topics.allow` lists and that exist, on whatever page. */
  readonly total: number;
  /** By name. */
  readonly topics: readonly EventTopic[];
  /** The name after which the next page begins; null on the last one. */
  readonly next: string | null;
};

export type TopicSelection = {
  /** Part of the name. */
  readonly like?: string;
  readonly names?: readonly string[];
  readonly after?: string;
};

/** Of one consumer group of `metrics.consumerGroups`. */
export type GroupLag = {
  readonly group: string;
  /** null where they cannot be read. Empty: the group has committed no offset in the topics. */
  readonly lags:
    | readonly {
        readonly topic: string;
        readonly offsets: number;
        /** Partitions with records in which the group has committed nothing; they do not count in `offsets`. */
        readonly uncommittedPartitions: number;
      }[]
    | null;
  /** Further topics in which the group has committed offsets, and of which nothing was read. */
  readonly topicsLeftOut: number;
  readonly failure: { readonly code: string; readonly message: string; readonly hint: string } | null;
};

export type GroupLags = {
  /** When it was read, by this machine's clock; ISO 8601, UTC. */
  readonly at: string;
  readonly groups: readonly GroupLag[];
};

/** A person waits for it. */
const withinMs = 10_000;

const shownSettings = [
  'retention.ms',
  'retention.bytes',
  'cleanup.policy',
  'min.insync.replicas',
  'compression.type',
] as const;
const readNames = [...new Set([...shownSettings, ...limitSettingNames])];

/** One page. @throws RelayError KAFKA_* */
export function pageOfTopics(config: Config, selection: TopicSelection, limit: number): Promise<EventTopics> {
  return withAdmin(config, { doing: 'reading the topics', withinMs }, async (context) => {
    const allowed = allowList(config.topics.allow, config.kafka.progressTopic);
    const existing = await listTopics(context);
    const names = chooseTopics(
      existing.filter((topic) => allowed.test(topic)),
      selection,
    );
    const { names: page, next } = pageOfNames(names, selection.after, limit);
    const describing = describeExisting(context, page);
    const [described, settings, sizes] = await Promise.all([
      describing,
      readSettings(context, page, readNames),
      describing.then((topics) => sizesOf(context.kafka, topics)),
    ]);
    const topics = described
      .map((topic) => seen(topic, settings.get(topic.name), sizes.get(topic.name)))
      .toSorted((left, right) => (left.topic < right.topic ? -1 : 1));
    return {
      at: new Date().toISOString(),
      total: names.length,
      topics,
      next,
    };
  });
}

/** They are the least of what a person looks for, so nothing waits for them for long. */
const sizesWithinMs = 3_000;

/** None where they cannot be had. */
async function sizesOf(kafka: Kafka, topics: readonly ITopicMetadata[]): Promise<LogSizes> {
  const { promise: late, resolve } = withResolvers<LogSizes>();
  const timer = setTimeout(() => resolve(new Map()), sizesWithinMs);
  try {
    return await Promise.race([readLogSizes(kafka, topics), late]);
  } catch {
    return new Map();
  } finally {
    clearTimeout(timer);
  }
}

/** By name, in the order of code points, so that a page goes on where the last one ended. Pure. */
export function chooseTopics(names: readonly string[], { like, names: wanted }: TopicSelection): string[] {
  return names
    .filter((name) => isLike(name, like))
    .filter((name) => wanted === undefined || wanted.includes(name))
    .toSorted();
}

/** Pure. @param settings undefined where they may not be read; @param sizes by partition, as far as Kafka says them */
export function seen(
  topic: ITopicMetadata,
  settings: TopicSettings | undefined,
  sizes?: ReadonlyMap<number, number>,
): EventTopic {
  const { name, partitions } = topic;
  const ids = partitions.map(({ partitionId }) => partitionId).toSorted((left, right) => left - right);
  const partitionBytes = ids.map((id) => sizes?.get(id) ?? null);
  return {
    topic: name,
    partitions: partitions.length,
    replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    leaderless: partitions.filter(({ leader }) => leader < 0).map(({ partitionId }) => partitionId),
    bytes: partitionBytes.reduce((sum, each) => (sum === null || each === null ? null : sum + each), 0),
    partitionBytes,
    settings: settings === undefined ? null : settingsSeen(settings),
    durability: judgeDurability(
      [{ topic, insync: settings?.['min.insync.replicas'] }],
      `partitions: ${partitions.length}`,
    ),
  };
}

function settingsSeen(settings: TopicSettings): TopicSettingsSeen {
  const values = new Map(
    Object.entries(settings).filter((entry): entry is [string, string] => entry[1] != null),
  );
  const { maxMessageBytes, keptMs } = topicLimits(values);
  return {
    maxMessageBytes,
    acceptedAgeMs: Number.isFinite(keptMs) ? keptMs : null,
    retentionMs: values.get('retention.ms') ?? null,
    retentionBytes: values.get('retention.bytes') ?? null,
    cleanupPolicy: values.get('cleanup.policy') ?? null,
    minInsyncReplicas: values.get('min.insync.replicas') ?? null,
    compressionType: values.get('compression.type') ?? null,
  };
}

/** How far the groups of `metrics.consumerGroups` are behind, in all topics or in one. @throws RelayError KAFKA_* */
export function readGroupLags(config: Config, topic?: string): Promise<GroupLags> {
  const { consumerGroups } = config.metrics;
  if (consumerGroups.length === 0) return Promise.resolve({ at: new Date().toISOString(), groups: [] });
  const allowed = allowList(config.topics.allow, config.kafka.progressTopic);
  const isWanted = (name: string) => allowed.test(name) && (topic === undefined || name === topic);
  return withAdmin(
    config,
    { doing: 'reading the offsets of consumer groups', withinMs },
    async ({ admin }) => {
      const ends = new TopicEnds(admin);
      const read = (group: string) => lagOf(admin, group, isWanted, ends);
      // At the same time: one whose coordinator is not ready takes the patience of a person alone.
      return { at: new Date().toISOString(), groups: await Promise.all(consumerGroups.map(read)) };
    },
  );
}

/**
 * A broker that has just started makes the topic of its coordinators, or loads it. The client tries for 4.5 s to find a
 * coordinator, and not again to ask it: with this, the answer comes within `withinMs` in any case.
 */
const coordinatorWithinMs = 4_000;
const coordinatorPauseMs = 200;

/** A group that may not be read, or whose coordinator is not there yet, does not hide the others. */
async function lagOf(
  admin: Admin,
  group: string,
  isWanted: (topic: string) => boolean,
  ends: TopicEnds,
): Promise<GroupLag> {
  const untilMs = performance.now() + coordinatorWithinMs;
  for (;;)
    try {
      const found = await readConsumerLag(admin, group, isWanted, ends);
      const lags = found.lags.map(({ topic, offsets, uncommittedPartitions }) => ({
        topic,
        offsets,
        uncommittedPartitions,
      }));
      return { group, lags, topicsLeftOut: found.topicsLeftOut, failure: null };
    } catch (error) {
      const isWithout = isWithoutCoordinator(error);
      if (isWithout && performance.now() < untilMs) {
        await pause(coordinatorPauseMs);
        continue;
      }
      const failure = isWithout ? withoutCoordinator(group, error) : asRelayError(error);
      if (failure.entry.isOutage && !isWithout) throw failure;
      const { code, message, hint } = failure;
      return { group, lags: null, topicsLeftOut: 0, failure: { code, message, hint } };
    }
}

const coordinatorTypes: ReadonlySet<string | undefined> = new Set([
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
]);

/** The client forgets what the brokers answered when none of them named a coordinator. */
function isWithoutCoordinator(error: unknown): boolean {
  const { cause } = asRelayError(error);
  return (
    coordinatorTypes.has(kafkaErrorType(cause)) ||
    (cause instanceof Error && cause.name === 'KafkaJSGroupCoordinatorNotFound')
  );
}

const withoutCoordinator = (group: string, cause: unknown): RelayError =>
  new RelayError(
    'KAFKA_UNAVAILABLE',
    `reading the offsets of consumer group ${group}: no broker has named its coordinator so far, as just after a start, or the right to describe the group is missing`,
    { cause },
  );
