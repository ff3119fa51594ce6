/**
 * Owns to which topic an event goes, and what is known of that topic. No event goes to a topic outside the allow-list, and
 * names that rows make up fill no memory.
 */
import type { OutboxRow } from '../capture/transaction.ts';
import { nameLengthMax } from '../config/row-size.ts';
import type { CacheUse } from '../observe/facts.ts';
import { CacheCount } from './cache-use.ts';
import { assertLength, NotPublishable } from './not-publishable.ts';
import { isTopic, type NoTopic, type TopicDirectory, type TopicInfo } from './record.ts';
import type { Router } from './route.ts';

/** What is known of a topic is read again after this long, as the Java client does (metadata.max.age.ms). */
const topicTtlMs = 300_000;
/** A missing topic is looked up again after this long. */
const missingTopicTtlMs = 1_000;
/** Shorter than most pauses between the attempts at an event, so that each attempt asks the cluster again. */
const unclearTopicTtlMs = 100;
/** Names of topics come from rows: an application that makes them up without end must not fill the memory. */
const topicsMax = 10_000;

export type Destination = { readonly topic: string; readonly info: TopicInfo };

export class Destinations {
  readonly #router: Router;
  readonly #directory: TopicDirectory;
  readonly #topics = new Map<string, { info: TopicInfo | NoTopic; fetchedMs: number }>();

  readonly #count = new CacheCount();

  constructor(router: Router, directory: TopicDirectory) {
    this.#router = router;
    this.#directory = directory;
  }

  /** Topics are read again: a broker's refusal may mean that one changed. */
  forget(): void {
    this.#topics.clear();
  }

  get cacheUse(): CacheUse {
    return this.#count.use('topics', this.#topics.size);
  }

  /** Whether the cache says that events may go to the topic. It does not ask the cluster. */
  isKnown(topic: string): boolean {
    const info = this.#topics.get(topic)?.info;
    return info !== undefined && isTopic(info);
  }

  /** @throws NotPublishable; RelayError KAFKA_* where the cluster does not answer */
  async of(row: OutboxRow): Promise<Destination> {
    if (row.aggregatetype === null)
      throw new NotPublishable('EVENT_INVALID', 'aggregatetype: must not be NULL');
    if (row.type === null || row.type === '') {
      // With its topic all the same: later events of its key may have to wait for it.
      const topic = this.#router.topic(row.aggregatetype, null);
      const names = topic === undefined ? {} : { topic };
      throw new NotPublishable('EVENT_INVALID', 'type: must not be empty', names);
    }
    const topic = this.#router.topic(row.aggregatetype, row.type);
    if (topic === undefined) {
      const empty = this.#router.emptyPart(row.aggregatetype, row.type);
      if (empty !== undefined) throw new NotPublishable('EVENT_INVALID', this.#router.whyEmpty(empty));
      throw new NotPublishable('TOPIC_NOT_ALLOWED', this.#router.whyNone(row.aggregatetype, row.type));
    }
    assertLength('type', row.type, nameLengthMax, { topic });
    const info = await this.#resolve(topic);
    if (!isTopic(info)) throw new NotPublishable(info.code, info.message, { topic }, { cause: info.cause });
    return { topic, info };
  }

  async #resolve(topic: string): Promise<TopicInfo | NoTopic> {
    const known = this.#topics.get(topic);
    if (known !== undefined && performance.now() - known.fetchedMs < keptForMs(known.info)) {
      this.#count.hits += 1;
      return known.info;
    }
    this.#count.misses += 1;
    const info = await this.#directory.resolve(topic);
    if (this.#topics.size >= topicsMax) this.#topics.clear();
    this.#topics.set(topic, { info, fetchedMs: performance.now() });
    return info;
  }
}

function keptForMs(found: TopicInfo | NoTopic): number {
  if (isTopic(found)) return topicTtlMs;
  return found.cause === undefined ? missingTopicTtlMs : unclearTopicTtlMs;
}
