/**
 * Owns the commit of one batch: decisions to Postgres, events and progress to Kafka in one transaction, then the
 * acknowledgement to Postgres.
 */
import type pg from 'pg';
import type { Capture } from '../capture/capture.ts';
import type { Config } from '../config/config.ts';
import type { DeadLetterTopic } from '../encode/dead-letter-topic.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { storeDecisions } from '../ledger/decisions.ts';
import type { Session } from '../ledger/session.ts';
import { advance, type Progress } from '../model/progress.ts';
import type { CommittedBatch } from '../observe/facts.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { RelayObserver } from '../observe/observer.ts';
import { isExpired } from '../publish/failed-transaction.ts';
import type { Publisher } from '../publish/publisher.ts';
import type { Topics } from '../publish/topics.ts';
import type { TransactionLimits } from '../publish/transaction-limits.ts';
import { refusedEvent } from './facts.ts';
import type { Filling } from './filling.ts';
import type { Pacing } from './pacing.ts';

export type CommitDependencies = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly observer: RelayObserver;
  readonly capture: Capture;
  readonly publisher: Publisher;
  /** The progress as the claim found it, or the first one. */
  readonly progress: Progress;
  readonly session: Session;
  readonly deadLetterTopic: DeadLetterTopic | undefined;
  readonly topics: Topics;
  readonly transactionLimits: TransactionLimits;
  /** Names this process in the progress. */
  readonly instance: string;
};

/** What the Kafka transaction tells. */
type Kafka = Pick<CommittedBatch, 'eventsByPartition' | 'begunMs' | 'writtenMs' | 'confirmedMs'>;

export class Committer {
  readonly #use: CommitDependencies;
  readonly #pacing: Pacing;
  #progress: Progress;

  constructor(dependencies: CommitDependencies) {
    const { config, progress } = dependencies;
    const nowMs = performance.now();
    this.#use = dependencies;
    this.#progress = progress;
    this.#pacing = {
      lingerMs: config.publish.lingerMs,
      heartbeatMs: config.capture.heartbeatMs,
      begunMs: nowMs,
      committedMs: nowMs,
    };
  }

  /** What is committed so far. */
  get progress(): Progress {
    return this.#progress;
  }

  get pacing(): Readonly<Pacing> {
    return this.#pacing;
  }

  /**
   * The order prevents loss: dead letters are stored before the progress covers their events, and the relay acknowledges
   * to Postgres only what Kafka has confirmed.
   * @throws RelayError the first failure; whether Kafka has committed is unknown then
   */
  async commit(filled: Filling): Promise<void> {
    const { pool, publisher, capture, session, instance, topics, transactionLimits, observer } = this.#use;
    const { batch, covered } = filled;
    if (covered === undefined) return;
    await failpoint('BATCH_TAKEN');
    await storeDecisions(pool, session, filled.decisions);
    await failpoint('DEAD_LETTERS_STORED');
    const { timeline } = capture.system;
    const writer = { instance, time: new Date().toISOString(), timeline };
    const next = advance(this.#progress, covered, filled.events, writer);
    this.#pacing.begunMs = performance.now();
    // Not after the commit: its buffers are gone then.
    const eventsByPartition = observer.committed === undefined ? [] : [...batch.eventsByPartition()];
    let writtenMs = 0;
    const onWritten = () => {
      writtenMs = performance.now();
    };
    try {
      await publisher.commit(batch, next, onWritten);
    } catch (error) {
      throw await this.#explain(asRelayError(error), filled);
    }
    await failpoint('KAFKA_COMMITTED');
    this.#progress = next;
    this.#pacing.committedMs = performance.now();
    const eventsByTopic = batch.eventsByTopic();
    topics.wrote(eventsByTopic.keys());
    const { begunMs, committedMs: confirmedMs } = this.#pacing;
    if (filled.hasEvents) transactionLimits.committed(confirmedMs - begunMs);
    this.#report(filled, next, eventsByTopic, { eventsByPartition, begunMs, writtenMs, confirmedMs });
    // Kafka has confirmed the progress that covers this LSN. Only `recover` acknowledges elsewhere, after its last commit.
    capture.acknowledge(next.endLsn);
    capture.inbox.release(filled.capturedBytes);
    observer.acknowledged?.({ endLsn: next.endLsn });
    await failpoint('ACKNOWLEDGED');
  }

  /** The failure in terms of what only the duration of the transaction or its topics can tell. */
  async #explain(failure: RelayError, { batch, committedAtMs }: Filling): Promise<RelayError> {
    const { config, transactionLimits, topics, observer } = this.#use;
    const elapsedMs = Math.round(performance.now() - this.#pacing.begunMs);
    const { transactionTimeoutMs } = config.kafka;
    if (!isExpired(failure, elapsedMs, transactionTimeoutMs))
      return topics.explain(failure, [...batch.eventsByTopic().keys()]);
    const { events, bytes } = batch;
    transactionLimits.expired(batch, committedAtMs.length);
    const { isSplitting, publish } = transactionLimits;
    const { maxTransactionEvents, maxTransactionBytes, batchEvents } = publish;
    observer.expired?.({
      events,
      bytes,
      elapsedMs,
      isSplitting,
      maxTransactionEvents,
      maxTransactionBytes,
      batchEvents,
    });
    return new RelayError(
      'TRANSACTION_EXPIRED',
      `Kafka aborted a transaction of ${events} events and ${bytes} bytes that was not over after ${elapsedMs} ms (kafka.transactionTimeoutMs ${transactionTimeoutMs})`,
      { cause: failure, context: { events, bytes, elapsedMs } },
    );
  }

  #report(
    { batch, events, deadLetters, committedAtMs, waypoints, traced }: Filling,
    progress: Progress,
    eventsByTopic: Map<string, number>,
    { eventsByPartition, ...times }: Kafka,
  ): void {
    const { observer, deadLetterTopic } = this.#use;
    if (deadLetterTopic !== undefined) eventsByTopic.delete(deadLetterTopic.name);
    const committed: CommittedBatch = {
      progress,
      events,
      eventsByTopic,
      eventsByPartition: eventsByPartition.filter(({ topic }) => topic !== deadLetterTopic?.name),
      bytes: batch.bytes,
      sentBytes: batch.sentBytes,
      deadLetters: deadLetters.length,
      committedAtMs,
      waypoints,
      ...times,
    };
    observer.committed?.(committed);
    if (traced !== undefined && traced.events.length > 0)
      observer.traced?.({ batch: committed, events: traced.events, omitted: traced.omitted });
    if (deadLetters.length > 0) observer.deadLettered?.({ events: deadLetters.map(refusedEvent) });
  }
}
