/**
 * Keeps the progress topic followed over any number of sessions, so that a standby has already read it when its turn
 * comes.
 */
import type { Admin, Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { kafkaError } from '../connect/kafka.ts';
import type { RelayError } from '../errors.ts';
import type { Watched } from '../observe/slow-step.ts';
import { ensureProgressTopic, ProgressTail } from '../publish/progress-topic.ts';

export type ProgressFollowerOptions = {
  readonly config: Config;
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly watched: Watched;
  /** Fails where Postgres does not take us: then no topic is made that nobody would use. */
  readonly reachPostgres: () => Promise<unknown>;
  readonly onTrouble?: (failure: RelayError | undefined) => void;
};

export class ProgressFollower {
  readonly #use: ProgressFollowerOptions;
  #tail: ProgressTail | undefined;

  constructor(options: ProgressFollowerOptions) {
    this.#use = options;
  }

  /** The last progress that was read, as text. No proof: only a claim is one. */
  get latest(): string | undefined {
    return this.#tail?.latest;
  }

  /** To be called at the start of each session: the topic may have been deleted since. @throws RelayError KAFKA_* */
  async follow(): Promise<ProgressTail> {
    await this.#ensureTopic();
    if (this.#tail !== undefined && this.#tail.crashed === undefined) {
      this.#tail.resume();
      return this.#tail;
    }
    await this.stop();
    const { config, kafka, watched, onTrouble } = this.#use;
    const tail = new ProgressTail(kafka, {
      topic: config.kafka.progressTopic,
      slot: config.slot.name,
      ...(onTrouble === undefined ? {} : { onTrouble }),
    });
    this.#tail = tail;
    try {
      await watched('connecting to the progress topic', tail.start());
    } catch (error) {
      await this.stop();
      throw error;
    }
    return tail;
  }

  async stop(): Promise<void> {
    const tail = this.#tail;
    this.#tail = undefined;
    await tail?.stop();
  }

  async #ensureTopic(): Promise<void> {
    const { config, admin, watched, reachPostgres } = this.#use;
    const topic = config.kafka.progressTopic;
    try {
      await watched('connecting to Kafka', admin.connect());
      await watched('looking for the progress topic', ensureProgressTopic(admin, topic, reachPostgres));
    } catch (error) {
      // The client would keep a connection on which nothing comes back for as long as TCP does: a quarter of an hour.
      await admin.disconnect().catch(() => {});
      throw kafkaError(error, 'connecting to Kafka');
    }
  }
}
