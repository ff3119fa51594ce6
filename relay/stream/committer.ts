/**
 * Owns the commit of one batch: decisions to Postgres, events and progress to Kafka in one transaction, then the
 * acknowledgement to Postgres. A batch that ends within a Postgres transaction is only written: the Kafka transaction stays
 * open until the Postgres transaction is whole, or has to be split.
 */
import type pg from 'pg';
import type { Capture } from '../capture/capture.ts';
import type { Config } from '../config/config.ts';
import type { DeadLetterTopic } from '../encode/dead-letter-topic.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { storeDecisions } from '../ledger/decisions.ts';
import type { Session } from '../ledger/session.ts';
import { counted } from '../model/counted.ts';
import { advance, type Covered, type Progress } from '../model/progress.ts';
import type { CommittedBatch } from '../observe/facts.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Batch, Publisher } from '../publish/publisher.ts';
import type { Topics } from '../publish/topics.ts';
import type { TransactionLimits } from '../publish/transaction-limits.ts';
import { refusedEvent } from './facts.ts';
import type { Filling } from './filling.ts';
import { coveredBy, OpenTransaction } from './open-transaction.ts';
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

/** A Kafka transaction that is committed. Times on the monotonic clock. */
type Ended = { readonly progress: Progress; readonly writtenMs: number; readonly confirmedMs: number };

export class Committer {
  readonly #use: CommitDependencies;
  readonly #pacing: Pacing;
  #progress: Progress;
  #open: OpenTransaction | undefined;
  #transactionVersion: 1 | 2;

  constructor(dependencies: CommitDependencies) {
    const { config, progress } = dependencies;
    const nowMs = performance.now();
    this.#use = dependencies;
    this.#progress = progress;
    this.#transactionVersion = dependencies.publisher.transactionVersion;
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

  /** What is written and not yet committed; undefined unless a Postgres transaction comes in parts. */
  get open(): OpenTransaction | undefined {
    return this.#open;
  }

  get pacing(): Readonly<Pacing> {
    return this.#pacing;
  }

  /**
   * The order prevents loss: dead letters are stored before the progress covers their events, and the relay acknowledges
   * to Postgres only what Kafka has confirmed.
   * @param mustEnd whether a Postgres transaction of which more will come is split here
   * @returns whether everything is committed
   * @throws RelayError the first failure; whether Kafka has committed is unknown then
   */
  async commit(filled: Filling, mustEnd = false): Promise<boolean> {
    const { pool, publisher, capture, session, observer } = this.#use;
    const { batch, deadLetters } = filled;
    const covered = coveredBy(this.#open, filled);
    if (covered === undefined) return true;
    await failpoint('BATCH_TAKEN');
    await storeDecisions(pool, session, filled.decisions);
    await failpoint('DEAD_LETTERS_STORED');
    if (this.#open === undefined) this.#pacing.begunMs = performance.now();
    const open = this.#open ?? new OpenTransaction(this.#pacing.begunMs);
    // Not after the write: its buffers are gone then.
    const eventsByPartition = observer.committed === undefined ? [] : [...batch.eventsByPartition()];
    const isEnd = covered.partial === null || mustEnd;
    const ended = await this.#orExplain(open, filled, async () => {
      if (isEnd) return await this.#end(covered, open.events + filled.events, batch);
      if (batch.events > 0) await publisher.write(batch);
      return undefined;
    });
    open.add(filled, eventsByPartition);
    this.#open = ended === undefined ? open : undefined;
    if (ended !== undefined) this.#ended(open, ended);
    if (deadLetters.length > 0) observer.deadLettered?.({ events: deadLetters.map(refusedEvent) });
    capture.inbox.release(filled.capturedBytes);
    if (ended === undefined) return false;
    observer.acknowledged?.({ endLsn: ended.progress.endLsn });
    await failpoint('ACKNOWLEDGED');
    return true;
  }

  /** Commits the Kafka transaction: what is written before, the batch, and the progress that covers them. */
  async #end(covered: Covered, events: number, batch: Batch): Promise<Ended> {
    const { publisher, capture, instance } = this.#use;
    const { timeline } = capture.system;
    const writer = { instance, time: new Date().toISOString(), timeline };
    const progress = advance(this.#progress, covered, events, writer);
    let writtenMs = 0;
    await publisher.commit(batch, progress, () => {
      writtenMs = performance.now();
    });
    await failpoint('KAFKA_COMMITTED');
    return { progress, writtenMs, confirmedMs: performance.now() };
  }

  #ended(open: OpenTransaction, ended: Ended): void {
    const { capture, topics, transactionLimits } = this.#use;
    const { progress, confirmedMs } = ended;
    this.#progress = progress;
    this.#pacing.committedMs = confirmedMs;
    topics.wrote(open.eventsByTopic.keys());
    if (open.hasEvents) transactionLimits.committed(confirmedMs - open.begunMs);
    this.#report(open, ended);
    this.#reportProtocol();
    // Kafka has confirmed the progress that covers this LSN. Only `recover` acknowledges elsewhere, after its last commit.
    capture.acknowledge(progress.endLsn);
  }

  #reportProtocol(): void {
    const { publisher, observer } = this.#use;
    const [before, { transactionVersion }] = [this.#transactionVersion, publisher];
    this.#transactionVersion = transactionVersion;
    if (transactionVersion !== before) observer.protocolChanged?.({ transactionVersion, before });
  }

  async #orExplain<T>(open: OpenTransaction, filled: Filling, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw await this.#explain(asRelayError(error), open, filled);
    }
  }

  /** The failure in terms of what only the size of the transaction or its topics can tell. */
  async #explain(failure: RelayError, open: OpenTransaction, { batch, lsns }: Filling): Promise<RelayError> {
    const { config, transactionLimits, topics, observer } = this.#use;
    if (failure.code !== 'TRANSACTION_EXPIRED')
      return topics.explain(failure, [...batch.eventsByTopic().keys()]);
    const elapsedMs = Math.round(performance.now() - open.begunMs);
    const events = open.events + batch.events;
    const bytes = open.bytes + batch.bytes;
    transactionLimits.expired({ events, bytes }, open.transactionsWith(lsns));
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
      `Kafka aborted a transaction of ${counted(events, 'event')} and ${counted(bytes, 'byte')} that was not over after ${elapsedMs} ms (kafka.transactionTimeoutMs ${config.kafka.transactionTimeoutMs})`,
      { cause: failure.cause, context: { events, bytes, elapsedMs } },
    );
  }

  #report(open: OpenTransaction, { progress, writtenMs, confirmedMs }: Ended): void {
    const { observer, deadLetterTopic } = this.#use;
    const { events, bytes, sentBytes, deadLetters, committedAtMs, waypoints, begunMs, traced } = open;
    const eventsByTopic = new Map(open.eventsByTopic);
    if (deadLetterTopic !== undefined) eventsByTopic.delete(deadLetterTopic.name);
    const committed: CommittedBatch = {
      progress,
      events,
      eventsByTopic,
      eventsByPartition: open.eventsByPartition.filter(({ topic }) => topic !== deadLetterTopic?.name),
      bytes,
      sentBytes,
      deadLetters,
      committedAtMs,
      waypoints,
      begunMs,
      writtenMs,
      confirmedMs,
    };
    observer.committed?.(committed);
    if (traced !== undefined && traced.events.length > 0)
      observer.traced?.({ batch: committed, events: traced.events, omitted: traced.omitted });
  }
}
