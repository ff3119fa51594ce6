/**
 * The progress as Kafka holds it. A compacted topic of one partition; key = slot, value = the progress as JSON. A claim is
 * a record with a key of its own, so that compaction never lets it take the place of a progress.
 *
 * Whoever has seen its own claim under `read_committed` has seen every progress that any predecessor committed, for the
 * claim was written after they were fenced. Reading "to the end" would not do: a consumer is not told of a tail of
 * transaction markers, so it cannot know that it is there.
 */
import { randomUUID } from 'node:crypto';
import type { Admin, Consumer, Kafka, KafkaMessage } from 'kafkajs';
import { RelayError } from '../errors.ts';
import { kafkaError, kafkaErrorType } from '../kafka.ts';
import { type Progress, parseProgress } from '../progress.ts';

export const claimKey = (slot: string): string => `${slot}/claim`;

/** Creates the progress topic where it is absent, which takes a right that is not needed where it is there. */
export async function ensureProgressTopic(admin: Admin, topic: string): Promise<void> {
  if (await exists(admin, topic)) return;
  try {
    await admin.createTopics({
      waitForLeaders: true,
      topics: [
        {
          topic,
          numPartitions: 1,
          replicationFactor: -1,
          configEntries: [
            { name: 'cleanup.policy', value: 'compact' },
            // A start reads the topic from its beginning. At most 400 records of 300 bytes come in a second; segments of
            // 16 MiB that are compacted from a tenth of new records on keep that to about 30 MiB, half a second.
            { name: 'segment.bytes', value: String(16 * 1024 * 1024) },
            { name: 'min.cleanable.dirty.ratio', value: '0.1' },
          ],
        },
      ],
    });
  } catch (error) {
    throw kafkaError(error, `creating the progress topic ${topic}`);
  }
}

async function exists(admin: Admin, topic: string): Promise<boolean> {
  try {
    await admin.fetchTopicMetadata({ topics: [topic] });
    return true;
  } catch (error) {
    if (kafkaErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return false;
    throw kafkaError(error, `looking up the progress topic ${topic}`);
  }
}

/** Follows the progress topic: already up to date when the relay takes over. One reader, one slot. */
export class ProgressTail {
  readonly #consumer: Consumer;
  readonly #topic: string;
  readonly #slot: string;
  /** By claim id; told the text of the last progress before the claim. */
  readonly #waiting = new Map<string, (latest: string | undefined) => void>();
  readonly #crash = Promise.withResolvers<RelayError>();
  #latest: string | undefined;
  #crashed: RelayError | undefined;

  constructor(kafka: Kafka, options: { readonly topic: string; readonly slot: string }) {
    this.#topic = options.topic;
    this.#slot = options.slot;
    this.#consumer = kafka.consumer({
      // A group of its own: kafkajs can only read through groups, and one shared with another relay would split the topic.
      groupId: `outbox-relay.${options.slot}.${randomUUID()}`,
      readUncommitted: false,
      allowAutoTopicCreation: false,
      sessionTimeout: 30_000,
      heartbeatInterval: 3_000,
      maxWaitTimeInMs: 500,
    });
    this.#consumer.on('consumer.crash', ({ payload }) => {
      if (payload.restart) return;
      this.#crashed = kafkaError(payload.error, 'following the progress topic');
      this.#crash.resolve(this.#crashed);
    });
  }

  /** Set once the tail has ended for good; a new one must be made. */
  get crashed(): RelayError | undefined {
    return this.#crashed;
  }

  async start(): Promise<void> {
    try {
      await this.#consumer.connect();
      await this.#consumer.subscribe({ topic: this.#topic, fromBeginning: true });
      await this.#consumer.run({
        autoCommit: false,
        eachMessage: ({ message }) => Promise.resolve(this.#receive(message)),
      });
    } catch (error) {
      throw kafkaError(error, 'following the progress topic');
    }
  }

  /**
   * Resolves with the last progress before the claim, once the claim is read. To be called before the claim is written.
   * @throws RelayError KAFKA_UNAVAILABLE when it is not seen in time; PROGRESS_UNREADABLE
   */
  async untilClaim(claimId: string, timeoutMs: number): Promise<Progress | null> {
    const seen = Promise.withResolvers<string | undefined>();
    const late = new RelayError('KAFKA_UNAVAILABLE', `the claim was not read back within ${timeoutMs} ms`);
    const timer = setTimeout(() => seen.reject(late), timeoutMs);
    this.#waiting.set(claimId, seen.resolve);
    try {
      const crashed = this.#crash.promise.then((error) => Promise.reject(error));
      const latest = await Promise.race([seen.promise, crashed]);
      return latest === undefined ? null : parseProgress(latest);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(claimId);
    }
  }

  /** While this relay is the only writer there is nothing to learn from the topic; reading it would cost CPU. */
  pause(): void {
    this.#consumer.pause([{ topic: this.#topic }]);
  }

  resume(): void {
    this.#consumer.resume([{ topic: this.#topic }]);
  }

  async stop(): Promise<void> {
    await this.#consumer.disconnect().catch(() => {});
  }

  #receive({ key, value }: KafkaMessage): void {
    const name = key?.toString();
    if (name === this.#slot) this.#latest = value?.toString();
    else if (name === claimKey(this.#slot)) this.#waiting.get(value?.toString() ?? '')?.(this.#latest);
  }
}
