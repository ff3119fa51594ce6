/**
 * Publishes the events of the tail that are wanted, as the stream would: at their own positions, with the same encoder, the
 * same decisions about refused events and the same publisher, dead letters stored before the commit of their batch. The
 * progress of each commit names the connector's slot (`adopting`), so no relay starts before the tail is done.
 */
import type pg from 'pg';
import { eventsOf, type OutboxEvent } from '../../capture/event.ts';
import type { CommittedTransaction } from '../../capture/transaction.ts';
import type { Config } from '../../config/config.ts';
import { partLimits } from '../../config/part-limits.ts';
import type { DeadLetterTopic } from '../../encode/dead-letter-topic.ts';
import { encodePatiently } from '../../encode/encode-patiently.ts';
import type { Encoder } from '../../encode/encoder.ts';
import { loadOf } from '../../encode/load.ts';
import type { ControlledGate } from '../../ledger/controlled-gate.ts';
import { storeDecisions } from '../../ledger/decisions.ts';
import type { Session } from '../../ledger/session.ts';
import { type Progress, publishedEvents } from '../../model/progress.ts';
import { failpoint } from '../../observe/failpoints.ts';
import type { Batch, Publisher } from '../../publish/publisher.ts';
import type { TopicKey } from '../../refusals/parked-keys.ts';
import { Refusals } from '../../refusals/refusals.ts';

export type TailPublisherOptions = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly publisher: Publisher;
  readonly encoder: Encoder;
  /** Where copies of refused events go; undefined for nowhere. */
  readonly deadLetterTopic: DeadLetterTopic | undefined;
  /** Postgres refuses dead letters of earlier sessions. */
  readonly session: Session;
  /** Keys whose events wait as of the progress. */
  readonly parked: readonly TopicKey[];
  /** The last one in Kafka. */
  readonly progress: Progress;
  readonly controlled: ControlledGate;
  /** Whether an event is to be published. One without an id always becomes a dead letter, as it would on the stream. */
  readonly isWanted: (id: string) => boolean;
  readonly onDone: (done: number) => void;
};

/** Events that are decoded and encoded at once. */
const stepEvents = 1_000;

export class TailPublisher {
  readonly #use: TailPublisherOptions;
  readonly #refusals: Refusals;
  #progress: Progress;
  #batch: Batch;
  /** Events and dead letters of the batch. */
  #held = 0;
  #isWithin = false;
  #published = 0;
  #deadLettered = 0;

  constructor(options: TailPublisherOptions) {
    this.#use = options;
    this.#progress = options.progress;
    this.#refusals = new Refusals(options.config.deadLetters, options.parked, options.controlled.gate);
    this.#batch = options.publisher.newBatch();
  }

  /** What is committed, and the progress behind everything that was added. */
  get done(): { readonly progress: Progress; readonly published: number; readonly deadLettered: number } {
    return { progress: this.#progress, published: this.#published, deadLettered: this.#deadLettered };
  }

  /** To be called with each transaction, or part of one, in order. @throws RelayError as the stream does */
  async add(transaction: CommittedTransaction): Promise<void> {
    const { publish } = this.#use.config;
    const isFull = this.#held >= publish.batchEvents || this.#batch.bytes >= publish.batchBytes;
    const { length } = transaction.rows;
    // What belongs together becomes visible together: a transaction that would not fit begins a batch of its own.
    if (!this.#isWithin && (isFull || this.#held + length > partLimits(publish).events)) await this.commit();
    const done = publishedEvents(this.#progress, transaction.commitLsn);
    if (done === Number.POSITIVE_INFINITY) return;
    const events = eventsOf(transaction, Math.max(0, done - transaction.firstOrdinal));
    for (let from = 0; from < events.length; from += stepEvents) {
      const wanted: OutboxEvent[] = [];
      for (let at = from; at < Math.min(events.length, from + stepEvents); at++) {
        const event = events.at(at)!;
        if (event.row.id === null || this.#use.isWanted(event.row.id)) wanted.push(event);
      }
      if (wanted.length > 0) await this.#append(wanted);
    }
    this.#cover(transaction, done);
    // A part of a transaction over the limits goes as it comes.
    if (this.#isWithin) await this.commit();
  }

  async commit(): Promise<void> {
    if (this.#held === 0) return;
    const { publisher, onDone } = this.#use;
    const { events } = this.#batch;
    const eventCount = this.#progress.eventCount + events;
    this.#progress = { ...this.#progress, eventCount, time: new Date().toISOString() };
    await publisher.commit(this.#batch, this.#progress);
    await failpoint('KAFKA_COMMITTED');
    this.#published += events;
    this.#held = 0;
    this.#batch = publisher.newBatch();
    onDone(this.#published + this.#deadLettered);
  }

  async #append(events: readonly OutboxEvent[]): Promise<void> {
    const { config, pool, encoder, session, deadLetterTopic, controlled } = this.#use;
    const encoded = await encodePatiently(encoder, events, config.retry);
    const tell = () => this.#use.onDone(this.#published + this.#deadLettered);
    await controlled.pass(loadOf(encoded, controlled.gate), this.#refusals.parkedKeys, tell);
    const { records, deadLetters, parked } = this.#refusals.decide(events, encoded, performance.now());
    const copies = (await deadLetterTopic?.copies(deadLetters)) ?? [];
    for (const record of [...records, ...copies]) this.#batch.append(record);
    await storeDecisions(pool, session, { deadLetters, parked, releases: [] });
    if (deadLetters.length > 0) await failpoint('DEAD_LETTERS_STORED');
    this.#held += events.length;
    this.#deadLettered += deadLetters.length;
  }

  /** What is not wanted is covered too. @param done events of the transaction that were covered before */
  #cover({ commitLsn, endLsn, committedAtMs, firstOrdinal, rows }: CommittedTransaction, done: number): void {
    this.#isWithin = endLsn === null;
    const ordinal = Math.max(done, firstOrdinal + rows.length);
    this.#progress = {
      ...this.#progress,
      ...(endLsn === null ? { partial: { commitLsn, ordinal } } : { endLsn, partial: null }),
      last: { commitLsn, committedAtMs },
    };
  }
}
