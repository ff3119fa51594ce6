/** What the cluster says of the topics that events go to: how many partitions, how large a record may be. */
import type { Admin } from 'kafkajs';
import type { Config } from '../config.ts';
import type { TopicDirectory, TopicInfo } from '../encode/record.ts';
import { kafkaError, kafkaErrorType } from '../kafka.ts';

/** Kafka's own default of max.message.bytes, for where the right to read the topic's settings is missing. */
const defaultMaxMessageBytes = 1_048_588;

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
      return { partitions, maxMessageBytes: await this.#maxMessageBytes(topic) };
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

  async #maxMessageBytes(topic: string): Promise<number> {
    try {
      const { resources } = await this.#admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: topicResource, name: topic, configNames: ['max.message.bytes'] }],
      });
      const value = resources[0]?.configEntries.find(
        ({ configName }) => configName === 'max.message.bytes',
      )?.configValue;
      return value === undefined ? defaultMaxMessageBytes : Number(value);
    } catch (error) {
      const failure = kafkaError(error, `reading the settings of topic ${topic}`);
      if (failure.code === 'KAFKA_UNAUTHORIZED') return defaultMaxMessageBytes;
      throw failure;
    }
  }
}
