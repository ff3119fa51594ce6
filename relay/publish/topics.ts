/** What the cluster says of the topics that events go to: how many partitions, how large and how old a record may be. */
import type { Admin } from 'kafkajs';
import type { Config } from '../config.ts';
import type { TopicDirectory, TopicInfo } from '../encode/record.ts';
import { kafkaError, kafkaErrorType } from '../kafka.ts';

type Settings = Pick<TopicInfo, 'maxMessageBytes' | 'keptMs'>;

/** Kafka's own defaults, for where the right to read the topic's settings is missing. */
const defaults: Settings = { maxMessageBytes: 1_048_588, keptMs: 7 * 24 * 3_600_000 };

/** How old a record may be when it is written; the second one is of brokers before 3.6. */
const ageLimits = ['message.timestamp.before.max.ms', 'message.timestamp.difference.max.ms'];
const settingNames = [
  'max.message.bytes',
  'message.timestamp.type',
  'cleanup.policy',
  'retention.ms',
  ...ageLimits,
];

/** ConfigResourceTypes.TOPIC of the protocol. */
const topicResource = 2;

export class Topics implements TopicDirectory {
  readonly #admin: Admin;
  readonly #settings: Config['topics'];

  constructor(admin: Admin, settings: Config['topics']) {
    this.#admin = admin;
    this.#settings = settings;
  }

  async resolve(topic: string): Promise<TopicInfo | undefined> {
    try {
      const partitions = (await this.#partitions(topic)) ?? (await this.#create(topic));
      if (partitions === undefined) return undefined;
      return { partitions, ...(await this.#readSettings(topic)) };
    } catch (error) {
      // The client would keep a connection on which nothing comes back for as long as TCP does: a quarter of an hour.
      await this.#admin.disconnect().catch(() => {});
      throw error;
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

  async #create(topic: string): Promise<number | undefined> {
    if (!this.#settings.create) return undefined;
    try {
      await this.#admin.createTopics({
        waitForLeaders: true,
        topics: [
          {
            topic,
            numPartitions: this.#settings.partitions,
            replicationFactor: this.#settings.replicationFactor,
          },
        ],
      });
    } catch (error) {
      // A name that the cluster will never take, as one that differs from another topic's in `.` and `_` only: it is the
      // row that made it up, and the stream must not wait for it for ever.
      if (kafkaErrorType(error) === 'INVALID_TOPIC_EXCEPTION') return undefined;
      throw kafkaError(error, `creating topic ${topic}`);
    }
    return this.#partitions(topic);
  }

  async #readSettings(topic: string): Promise<Settings> {
    try {
      const { resources } = await this.#admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: topicResource, name: topic, configNames: settingNames }],
      });
      const entries = resources[0]?.configEntries ?? [];
      return settingsOf(new Map(entries.map(({ configName, configValue }) => [configName, configValue])));
    } catch (error) {
      const failure = kafkaError(error, `reading the settings of topic ${topic}`);
      if (failure.code === 'KAFKA_UNAUTHORIZED') return defaults;
      throw failure;
    }
  }
}

function settingsOf(values: ReadonlyMap<string, string>): Settings {
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
  // The broker puts its own time in its place.
  const isStamped = values.get('message.timestamp.type') === 'LogAppendTime';
  return {
    maxMessageBytes: numberOf('max.message.bytes', defaults.maxMessageBytes),
    keptMs: isStamped ? unlimitedMs : Math.min(...limitsMs),
  };
}

const unlimitedMs = Number.POSITIVE_INFINITY;
