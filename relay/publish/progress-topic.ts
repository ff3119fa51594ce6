/**
 * Owns the progress topic: compacted, one partition, key = slot, value = the progress as JSON. A claim is a record with
 * a key of its own, so that compaction never replaces a progress by a claim.
 *
 * A relay that reads its own claim under `read_committed` has read every progress that a predecessor committed, because
 * it wrote the claim after it fenced them. Reading "to the end" is not enough: a log may end with transaction markers,
 * which a consumer does not see, so it cannot know that it has reached the end.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, Kafka } from 'kafkajs';
import { backoffMs } from '../connect/backoff.ts';
import { kafkaError, kafkaErrorType } from '../connect/kafka.ts';
import { RelayError } from '../errors.ts';
import { withResolvers } from '../model/builtins.ts';
import { committedRecords, decodeFetch, type FetchedRecord, fetchRequest } from './wire/fetch.ts';
import { Wire } from './wire/kafkajs-wire.ts';

export const claimKey = (slot: string): string => `${slot}/claim`;

/** Settings with which the relay creates the progress topic. */
export const progressTopicSettings = {
  numPartitions: 1,
  replicationFactor: -1,
  configEntries: [
    { name: 'cleanup.policy', value: 'compact' },
    // Overrides the broker's default: a small record gains nothing, and without compression any client can read it.
    { name: 'compression.type', value: 'uncompressed' },
    // At startup the relay reads the topic from its beginning. At most 400 records of 300 bytes arrive per second. With
    // segments of 16 MiB that are compacted once a tenth is new, it reads about 30 MiB, which takes half a second.
    { name: 'segment.bytes', value: String(16 * 1024 * 1024) },
    { name: 'min.cleanable.dirty.ratio', value: '0.1' },
  ],
};

/**
 * Creates the progress topic if it does not exist. Only then does the relay need the right to create it.
 * @param before is waited for before the topic is created, and keeps it from being created if it fails
 */
export async function ensureProgressTopic(
  admin: Admin,
  topic: string,
  before: () => Promise<unknown> = async () => {},
): Promise<void> {
  if (await exists(admin, topic)) return;
  await before();
  try {
    await admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic, ...progressTopicSettings }],
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

export type TailOptions = {
  readonly topic: string;
  readonly slot: string;
  /** Called once when reading begins to fail, and once, with undefined, when it works again. */
  readonly onTrouble?: (failure: RelayError | undefined) => void;
};

/** Who wrote a record in a transaction. */
type Writer = { readonly producerId: bigint; readonly producerEpoch: number };

/**
 * A claim, and the last progress before it: null if there was none, undefined if it may have been removed since. Without a
 * writer, it was written outside of a transaction, as by somebody who restored it.
 */
export type Claim = Writer & {
  readonly found: (Partial<Writer> & { readonly text: string }) | null | undefined;
};

/** Follows the progress topic for one slot, so that a standby is up to date when it takes over. */
export class ProgressTail {
  readonly #kafka: Kafka;
  readonly #topic: string;
  readonly #slot: string;
  /** By claim id: called with the text of the last progress before the claim. */
  readonly #waiting = new Map<string, (latest: string | undefined) => void>();
  readonly #crash = withResolvers<RelayError>();
  readonly #caughtUp = withResolvers<void>();
  #isCaughtUp = false;
  #resumed = Promise.resolve();
  /** Set while the tail is paused. */
  #resume: (() => void) | undefined;
  #wire: Wire | undefined;
  #nextOffset = 0n;
  #latest: string | undefined;
  #latestBy: Writer | undefined;
  #claims: readonly Claim[] = [];
  #isTrimmed = false;
  #crashed: RelayError | undefined;
  readonly #onTrouble: (failure: RelayError | undefined) => void;
  #isTroubled = false;
  #isStopped = false;
  #following: Promise<void> = Promise.resolve();

  constructor(kafka: Kafka, options: TailOptions) {
    this.#kafka = kafka;
    this.#topic = options.topic;
    this.#slot = options.slot;
    this.#onTrouble = options.onTrouble ?? (() => {});
  }

  /** Set once the tail has ended for good. A new one is needed then. */
  get crashed(): RelayError | undefined {
    return this.#crashed;
  }

  /** The last progress that was read, as text; undefined if there is none. */
  get latest(): string | undefined {
    return this.#latest;
  }

  /** The last claims that were read, in the order of the log. */
  get claims(): readonly Claim[] {
    return this.#claims;
  }

  /** Resolves when the tail has caught up, with true, or after `timeoutMs`. This proves nothing: only a claim does. */
  async read(timeoutMs: number): Promise<boolean> {
    const late = withResolvers<void>();
    const timer = setTimeout(late.resolve, timeoutMs);
    await Promise.race([this.#caughtUp.promise, late.promise]);
    clearTimeout(timer);
    return this.#isCaughtUp;
  }

  /** @throws RelayError KAFKA_* if the topic cannot be reached. Once started, the tail retries temporary failures. */
  async start(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      throw kafkaError(error, following);
    }
    this.#following = this.#follow();
  }

  /**
   * Resolves with the text of the last progress before the claim, once the claim is read. Call it before the claim is
   * written.
   * @throws RelayError KAFKA_UNAVAILABLE if the claim is not read in time
   */
  async untilClaim(claimId: string, timeoutMs: number): Promise<string | undefined> {
    const seen = withResolvers<string | undefined>();
    const late = new RelayError('KAFKA_UNAVAILABLE', `the claim was not read back within ${timeoutMs} ms`);
    const timer = setTimeout(() => seen.reject(late), timeoutMs);
    this.#waiting.set(claimId, seen.resolve);
    try {
      const crashed = this.#crash.promise.then((error) => Promise.reject(error));
      return await Promise.race([seen.promise, crashed]);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(claimId);
    }
  }

  /**
   * While this relay is the only writer, the topic holds nothing new for it. Pausing closes the connection: an idle one
   * costs CPU, and the broker closes it in the end.
   */
  pause(): void {
    if (this.#resume !== undefined) return;
    const { promise, resolve } = withResolvers<void>();
    this.#resumed = promise;
    this.#resume = resolve;
    void this.#disconnect();
  }

  resume(): void {
    this.#resume?.();
    this.#resume = undefined;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.resume();
    await this.#disconnect();
    await this.#following;
  }

  async #follow(): Promise<void> {
    for (let attempt = 0; !this.#isStopped; ) {
      await this.#resumed;
      const late = setTimeout(() => this.#report(noAnswer()), noAnswerMs);
      try {
        await this.#readOn();
        attempt = 0;
        this.#report(undefined);
      } catch (error) {
        await this.#disconnect();
        if (this.#isStopped || this.#resume !== undefined) continue;
        if (!mayPass(error)) return this.#crashWith(error);
        this.#report(kafkaError(error, following));
        await delay(backoffMs(attempt++, retry));
      } finally {
        clearTimeout(late);
      }
    }
  }

  #report(failure: RelayError | undefined): void {
    const isTroubled = failure !== undefined;
    if (isTroubled !== this.#isTroubled && !this.#isStopped) this.#onTrouble(failure);
    this.#isTroubled = isTroubled;
  }

  async #readOn(): Promise<void> {
    const wire = await this.#connect();
    // The answer is due after the wait. A silent server must not hold this up until the request timeout, 30 s by
    // default.
    const timer = setTimeout(() => void wire.close(), fetchWaitMs + connectionSlackMs);
    try {
      const request = fetchRequest({
        topic: this.#topic,
        partition: 0,
        fromOffset: this.#nextOffset,
        // Until it has caught up, the tail reads only what is there already.
        maxWaitMs: this.#isCaughtUp ? fetchWaitMs : 0,
        maxBytes: fetchMaxBytes,
      });
      const answer = await wire.send(await wire.leader(this.#topic, 0), request, decodeFetch);
      const { records, nextOffset } = committedRecords(answer, this.#nextOffset);
      for (const record of records) this.#receive(record);
      if (!this.#isCaughtUp && nextOffset === this.#nextOffset) {
        this.#isCaughtUp = true;
        this.#caughtUp.resolve();
      }
      this.#nextOffset = nextOffset;
    } catch (error) {
      if (kafkaErrorType(error) !== 'OFFSET_OUT_OF_RANGE') throw error;
      await this.#startOver(wire);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The topic begins after the current offset, or was recreated: what was read before no longer counts. */
  async #startOver(wire: Wire): Promise<void> {
    this.#nextOffset = await wire.earliestOffset(this.#topic, 0);
    this.#latest = undefined;
    this.#latestBy = undefined;
    this.#claims = [];
    this.#isTrimmed = this.#nextOffset > 0n;
  }

  async #connect(): Promise<Wire> {
    if (this.#wire !== undefined) return this.#wire;
    const wire = await Wire.open(this.#kafka, [this.#topic]);
    if (this.#isStopped || this.#resume !== undefined) {
      await wire.close();
      throw new RelayError('KAFKA_UNAVAILABLE', 'the progress topic is no longer followed');
    }
    this.#wire = wire;
    return wire;
  }

  async #disconnect(): Promise<void> {
    const wire = this.#wire;
    this.#wire = undefined;
    await wire?.close();
  }

  #crashWith(error: unknown): void {
    this.#crashed = kafkaError(error, following);
    this.#crash.resolve(this.#crashed);
  }

  #receive({ key, value, producerId, producerEpoch }: FetchedRecord): void {
    const name = key?.toString();
    const by =
      producerId === undefined || producerEpoch === undefined ? undefined : { producerId, producerEpoch };
    if (name === this.#slot) {
      this.#latest = value?.toString();
      this.#latestBy = by;
    } else if (name === claimKey(this.#slot)) {
      const [text, writer] = [this.#latest, this.#latestBy];
      // Compaction removes a progress only for a later one, and by then it has removed every claim but the last between.
      const none = this.#isTrimmed || this.#claims.length === 0 ? undefined : null;
      const found = text === undefined ? none : { ...writer, text };
      if (by !== undefined) this.#claims = [...this.#claims.slice(1 - claimsMax), { ...by, found }];
      this.#waiting.get(value?.toString() ?? '')?.(text);
    }
  }
}

/** Each has the text of a progress, 400 bytes. A transaction without a marker seldom outlives a few takeovers. */
const claimsMax = 100;

/** A missing topic is left to the next session, which creates it again and finds the progress lost. */
const mayPass = (error: unknown): boolean =>
  kafkaErrorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION' && kafkaError(error, following).class === 'retry';

const noAnswer = (): RelayError =>
  new RelayError('KAFKA_UNAVAILABLE', `${following}: no answer for ${noAnswerMs} ms`);

const following = 'following the progress topic';
const fetchWaitMs = 1_000;
const connectionSlackMs = 3_000;
/** A fetch has timed out by then. Connecting may take as long as the client's own timeouts, which are longer. */
const noAnswerMs = 5_000;
/** About 13,000 records of 300 bytes. */
const fetchMaxBytes = 4 * 1024 * 1024;
/** Short, because a takeover may wait for it. */
const retry = { initialDelayMs: 50, maxDelayMs: 500 };
