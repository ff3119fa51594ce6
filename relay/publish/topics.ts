/**
 * Owns what the relay knows about the topics that events go to: the number of partitions, and how large and how old a
 * record may be. Creates missing topics if the settings allow it.
 *
 * The names come from rows. If Kafka refuses one name but accepts others, only the events for that name are refused,
 * and the stream continues. If the relay can use no topic at all, it stops.
 */
import type { Admin, Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { allowList } from '../config/topic-patterns.ts';
import { kafkaError, kafkaErrorType, topicResource } from '../connect/kafka.ts';
import type { NoTopic, TopicDirectory, TopicInfo } from '../encode/record.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { counted } from '../model/counted.ts';
import { unwritableTopics } from './rights.ts';
import { checkIdOf } from './transactional-id.ts';
import { isKnownToAny } from './wire/topic-lookup.ts';

type Settings = Pick<TopicInfo, 'maxMessageBytes' | 'keptMs'>;

/** Kafka's defaults, used if the relay has no right to read the topic's settings. */
const defaults: Settings = { maxMessageBytes: 1_048_588, keptMs: 7 * 24 * 3_600_000 };

/** How old a record may be when it is written. Brokers before 3.6 use the second name. */
const ageLimits = ['message.timestamp.before.max.ms', 'message.timestamp.difference.max.ms'];
export const limitSettingNames = [
  'max.message.bytes',
  'segment.bytes',
  'message.timestamp.type',
  'cleanup.policy',
  'retention.ms',
  ...ageLimits,
];

/** Errors that may concern one name only, or the topic to create under that name. */
const ofTheName: ReadonlySet<string> = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'POLICY_VIOLATION',
  'INVALID_PARTITIONS',
  'INVALID_REPLICATION_FACTOR',
  'INVALID_REPLICA_ASSIGNMENT',
  'INVALID_CONFIG',
  'INVALID_REQUEST',
  // A code that this client has no name for.
  'KAFKAJS_UNKNOWN_ERROR_CODE',
]);

/** Errors of a missing right to write. The second one is for partitions that were skipped because of it. */
const unwritableTypes: ReadonlySet<string> = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'OPERATION_NOT_ATTEMPTED',
]);
/** How many topics the relay probes to see whether it may write any. */
const askedMax = 50;

/** Topic names come from rows: an application that invents names without end must not fill the memory. */
const rememberedMax = 10_000;
const minuteMs = 60_000;

export class Topics implements TopicDirectory {
  readonly #kafka: Kafka;
  readonly #admin: Admin;
  readonly #settings: Config['topics'];
  readonly #allowed: RegExp;
  /** Topics that this relay has found to be usable. */
  readonly #usable = new Set<string>();
  readonly #written = new Set<string>();
  readonly #unwritable = new Set<string>();
  /** A transactional id that no relay uses, so that probing fences none. */
  readonly #checkId: string;
  readonly #transactionTimeoutMs: number;
  /** When topics were created in the last minute, on the monotonic clock. */
  #createdMs: number[] = [];

  constructor(kafka: Kafka, admin: Admin, config: Config) {
    const { topics, kafka: settings } = config;
    const { progressTopic, transactionTimeoutMs } = settings;
    this.#kafka = kafka;
    this.#admin = admin;
    this.#settings = topics;
    this.#allowed = allowList(topics.allow, progressTopic);
    this.#checkId = checkIdOf(config);
    this.#transactionTimeoutMs = transactionTimeoutMs;
  }

  async resolve(topic: string): Promise<TopicInfo | NoTopic> {
    try {
      if (this.#unwritable.has(topic)) {
        if ((await this.#unwritableOf([topic])).length > 0)
          return { code: 'TOPIC_REFUSED', message: `the relay has no right to write to topic ${topic}` };
        this.#unwritable.delete(topic);
      }
      const partitions = (await this.#partitions(topic)) ?? (await this.#create(topic));
      if (typeof partitions !== 'number') return partitions;
      const info = { partitions, ...(await this.#readSettings(topic)) };
      remember(this.#usable, topic);
      return info;
    } catch (error) {
      try {
        return await this.#refusal(topic, error);
      } catch (failure) {
        if (asRelayError(failure).code === 'TOPIC_CREATION_PACED') throw failure;
        // The client would keep a dead connection until TCP gives up, after a quarter of an hour.
        await this.#admin.disconnect().catch(() => {});
        throw failure;
      }
    }
  }

  /**
   * Finds out why a transaction failed. If Kafka refuses only topics that this relay has never written, and the relay
   * may write others, then the events for the refused topics are refused from now on, and a new session can continue.
   */
  async explain(failure: RelayError, topics: readonly string[]): Promise<RelayError> {
    if (!unwritableTypes.has(String(failure.context.kafkaError))) return failure;
    const refused = await this.#unwritableOf(topics);
    const isOfRows = refused.every((topic) => this.#allowed.test(topic) && !this.#written.has(topic));
    if (refused.length === 0 || !isOfRows || !(await this.#writesOthers(refused))) return failure;
    for (const topic of refused) remember(this.#unwritable, topic);
    const names = refused.join(', ');
    return new RelayError('PUBLISH_REFUSED', `the relay has no right to write to ${names}`, {
      cause: failure,
    });
  }

  async #writesOthers(refused: readonly string[]): Promise<boolean> {
    if (this.#written.size > 0) return true;
    const others = (await this.#existing()).filter((topic) => !refused.includes(topic)).slice(0, askedMax);
    return others.length > 0 && (await this.#unwritableOf(others)).length < others.length;
  }

  async #unwritableOf(topics: readonly string[]): Promise<string[]> {
    try {
      return await unwritableTopics(this.#kafka, this.#checkId, this.#transactionTimeoutMs, topics);
    } catch (error) {
      throw kafkaError(error, 'checking the rights on topics');
    }
  }

  /** Records topics to which the relay has committed events. */
  wrote(topics: Iterable<string>): void {
    for (const topic of topics) remember(this.#written, topic);
  }

  /** @throws the error, unless it concerns this name alone */
  async #refusal(topic: string, error: unknown): Promise<NoTopic> {
    const failure = kafkaError(error, `looking up topic ${topic}`);
    const type = kafkaErrorType(error);
    if (type === undefined || !ofTheName.has(type) || this.#written.has(topic)) throw failure;
    if (!(await this.#usesOthers(topic))) throw failure;
    if (type === 'INVALID_REPLICATION_FACTOR' && (await this.#lacksBrokers())) throw failure;
    return { code: 'TOPIC_REFUSED', message: failure.message, cause: failure };
  }

  /**
   * Whether enough brokers for the replication factor exist but some are down. Brokers that hold replicas of existing
   * topics are known even while they are down.
   */
  async #lacksBrokers(): Promise<boolean> {
    const { replicationFactor } = this.#settings;
    const asked = (await this.#existing()).slice(0, askedMax);
    try {
      const live = (await this.#admin.describeCluster()).brokers.map(({ nodeId }) => nodeId);
      const { topics } = await this.#admin.fetchTopicMetadata({ topics: asked });
      const held = topics.flatMap(({ partitions }) => partitions.flatMap(({ replicas }) => replicas));
      const known = new Set([...live, ...held]).size;
      return live.length < known && known >= replicationFactor;
    } catch (error) {
      throw kafkaError(error, 'listing the brokers');
    }
  }

  async #usesOthers(topic: string): Promise<boolean> {
    for (const other of this.#usable) if (other !== topic) return true;
    return (await this.#existing()).some((other) => other !== topic);
  }

  /** Existing topics that match `topics.allow` and that the relay may see. */
  async #existing(): Promise<string[]> {
    try {
      return (await this.#admin.listTopics()).filter((name) => this.#allowed.test(name));
    } catch (error) {
      throw kafkaError(error, 'listing topics');
    }
  }

  async #partitions(topic: string): Promise<number | undefined> {
    try {
      const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] });
      return topics.find(({ name }) => name === topic)?.partitions.length;
    } catch (error) {
      if (kafkaErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined;
      throw kafkaError(error, `looking up topic ${topic}`);
    }
  }

  async #create(topic: string): Promise<number | NoTopic> {
    if (!this.#settings.create) return this.#absent(topic, 'topics.create is off');
    const isForEvents = this.#allowed.test(topic);
    if (isForEvents && (await this.#existing()).length >= this.#settings.createMax)
      return this.#absent(
        topic,
        `the relay does not create it: ${this.#settings.createMax} topics already match topics.allow (topics.createMax)`,
      );
    const sinceMs = performance.now() - minuteMs;
    this.#createdMs = this.#createdMs.filter((timeMs) => timeMs > sinceMs);
    if (isForEvents && this.#createdMs.length >= this.#settings.createPerMinute)
      throw new RelayError(
        'TOPIC_CREATION_PACED',
        `topic ${topic} is not created yet: the relay created ${counted(this.#createdMs.length, 'topic')} in the last minute (topics.createPerMinute)`,
      );
    try {
      const isNew = await this.#admin.createTopics({
        waitForLeaders: true,
        topics: [
          {
            topic,
            numPartitions: this.#settings.partitions,
            replicationFactor: this.#settings.replicationFactor,
          },
        ],
      });
      if (isNew) this.#createdMs.push(performance.now());
    } catch (error) {
      // Kafka will never accept this name, for example because it differs from another topic's only in `.` and `_`. The
      // name comes from a row, and the stream must not wait for it forever.
      if (kafkaErrorType(error) === 'INVALID_TOPIC_EXCEPTION')
        return {
          code: 'TOPIC_MISSING',
          message: `topic ${topic} does not exist: Kafka does not accept this name`,
        };
      if (!ofTheName.has(kafkaErrorType(error) ?? '')) this.#createdMs.push(performance.now());
      throw kafkaError(error, `creating topic ${topic}`);
    }
    const partitions = await this.#partitions(topic);
    if (partitions === undefined) throw notKnownYet(topic);
    return partitions;
  }

  /**
   * One broker alone does not decide that a topic does not exist: one that lags, or was paused, may not know a topic
   * that was just created.
   * @throws RelayError KAFKA_UNAVAILABLE if another broker knows the topic
   */
  async #absent(topic: string, why: string): Promise<NoTopic> {
    if (await isKnownToAny(this.#kafka, topic)) throw notKnownYet(topic);
    return { code: 'TOPIC_MISSING', message: `topic ${topic} does not exist, and ${why}` };
  }

  async #readSettings(topic: string): Promise<Settings> {
    try {
      const { resources } = await this.#admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: topicResource, name: topic, configNames: limitSettingNames }],
      });
      const entries = resources[0]?.configEntries ?? [];
      return topicLimits(new Map(entries.map(({ configName, configValue }) => [configName, configValue])));
    } catch (error) {
      const failure = kafkaError(error, `reading the settings of topic ${topic}`);
      if (failure.code === 'KAFKA_UNAUTHORIZED') return defaults;
      throw failure;
    }
  }
}

/** @param values of `limitSettingNames`; one that is missing counts as Kafka's default */
export function topicLimits(values: ReadonlyMap<string, string>): Settings {
  const numberOf = (name: string, otherwise: number) => {
    const value = values.get(name);
    return value === undefined ? otherwise : Number(value);
  };
  const retentionMs = numberOf('retention.ms', defaults.keptMs);
  const isRemoved = /delete/.test(values.get('cleanup.policy') ?? 'delete') && retentionMs >= 0;
  const limitsMs = [
    ...(isRemoved ? [retentionMs] : []),
    ...ageLimits.map((name) => numberOf(name, unlimitedMs)),
  ];
  // The broker replaces the record's time by its own.
  const isStamped = values.get('message.timestamp.type') === 'LogAppendTime';
  return {
    // The broker also refuses what does not fit into a segment.
    maxMessageBytes: Math.min(
      numberOf('max.message.bytes', defaults.maxMessageBytes),
      numberOf('segment.bytes', defaults.maxMessageBytes),
    ),
    keptMs: isStamped ? unlimitedMs : Math.min(...limitsMs),
  };
}

function notKnownYet(topic: string): RelayError {
  return new RelayError('KAFKA_UNAVAILABLE', `topic ${topic} exists, but some brokers do not know it yet`);
}

function remember(names: Set<string>, name: string): void {
  if (names.size >= rememberedMax) names.clear();
  names.add(name);
}

const unlimitedMs = Number.POSITIVE_INFINITY;
