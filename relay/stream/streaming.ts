/**
 * Owns the path of the events while the relay holds the slot: capture, encode, publish, acknowledge. Two loops meet at one
 * batch: one fills it, the other takes it once the batch before is committed, so that one batch fills while another is in
 * flight. The first failure ends everything; the next session reads the progress and begins from there.
 */
import type pg from 'pg';
import type { Capture } from '../capture/capture.ts';
import { eventsOf, type OutboxEvents } from '../capture/event.ts';
import type { CommittedTransaction } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { backoffMs, pause } from '../connect/backoff.ts';
import type { DeadLetterTopic } from '../encode/dead-letter-topic.ts';
import type { Encoder } from '../encode/encoder.ts';
import type { OutboundRecord, Refusal } from '../encode/record.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { storeDecisions } from '../ledger/decisions.ts';
import type { Session } from '../ledger/session.ts';
import type { Lsn } from '../model/position.ts';
import { advance, type Progress } from '../model/progress.ts';
import type { Facts } from '../observe/facts.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Pace } from '../publish/pace.ts';
import type { Publisher } from '../publish/publisher.ts';
import { isExpired } from '../publish/refusal.ts';
import type { Topics } from '../publish/topics.ts';
import type { TopicKey } from '../refusals/parked-keys.ts';
import { type Decision, Refusals } from '../refusals/refusals.ts';
import { SameHistory } from '../session/same-history.ts';
import { Upkeep } from '../upkeep/upkeep.ts';
import { capturedFact, encodedFact, refusedEvent } from './facts.ts';
import { Filling, isEventless } from './filling.ts';
import { Notice } from './notice.ts';
import { dueInMs, type Pacing } from './pacing.ts';
import { publishedPart } from './published-part.ts';
import { type Released, releaseKeys } from './release.ts';

export type StreamingDependencies = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly observer: RelayObserver;
  readonly capture: Capture;
  readonly encoder: Encoder;
  readonly publisher: Publisher;
  /** The progress as the claim found it, or the first one. */
  readonly progress: Progress;
  /** Where the slot begins. */
  readonly slotLsn: Lsn;
  readonly session: Session;
  /** Keys that wait as of the progress. */
  readonly parked: readonly TopicKey[];
  readonly deadLetterTopic: DeadLetterTopic | undefined;
  readonly topics: Topics;
  readonly pace: Pace;
  /** Identity of the publication that the session streams through. */
  readonly publication: string;
  /** Names this process in the progress. */
  readonly instance: string;
};

export class Streaming {
  readonly #use: StreamingDependencies;
  readonly #claimed: Progress;
  readonly #history: SameHistory;
  readonly #refusals: Refusals;
  readonly #upkeep: Upkeep;
  /** Aborted when the loops must end: by request, or because one of them failed. */
  readonly #ending = new AbortController();
  readonly #content = new Notice();
  readonly #room = new Notice();
  #progress: Progress;
  #filling: Filling;
  #committing: Filling | undefined;
  #isBlocked = false;
  #beat: number;
  readonly #pacing: Pacing;

  constructor(dependencies: StreamingDependencies) {
    this.#use = dependencies;
    this.#claimed = dependencies.progress;
    this.#history = new SameHistory(dependencies.progress, dependencies.slotLsn);
    this.#progress = dependencies.progress;
    this.#beat = dependencies.progress.beat;
    this.#filling = new Filling(dependencies.publisher.newBatch());
    this.#refusals = new Refusals(dependencies.config.deadLetters, dependencies.parked);
    const { capture, config } = dependencies;
    const nowMs = performance.now();
    this.#pacing = {
      lingerMs: config.publish.lingerMs,
      heartbeatMs: config.capture.heartbeatMs,
      begunMs: nowMs,
      committedMs: nowMs,
    };
    this.#upkeep = new Upkeep({
      ...dependencies,
      progress: () => this.#progress,
      stream: () => capture,
    });
  }

  /** What is committed so far. */
  get progress(): Progress {
    return this.#progress;
  }

  /** Commit time in Postgres, ms since 1970, of the oldest transaction that is received and not yet in Kafka. */
  get oldestWaitingMs(): number | undefined {
    return (
      this.#committing?.committedAtMs[0] ?? this.#filling.committedAtMs[0] ?? this.#use.capture.inbox.oldestMs
    );
  }

  /**
   * Streams until `signal`; what is in flight then is still committed and acknowledged, what is only filling is not.
   * @throws RelayError the first failure. Where the stream itself meets it, everything before it is committed by then.
   */
  async run(signal: AbortSignal): Promise<void> {
    const end = () => this.#ending.abort();
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    const ended = this.#ending.signal;
    ended.addEventListener('abort', () => this.#wakeAll());
    if (ended.aborted) this.#wakeAll();
    try {
      await this.#untilAllEnd([this.#fill(), this.#publish(), ...this.#upkeep.loops(ended)]);
    } catch (error) {
      // The next start then does not see again what it need not: a table as it was before it was altered, for instance.
      if (asRelayError(error).class === 'stop') await this.#use.capture.flush(flushTimeoutMs);
      throw error;
    } finally {
      signal.removeEventListener('abort', end);
    }
    await this.#use.capture.flush(flushTimeoutMs);
    await failpoint('DRAINED');
  }

  #wakeAll(): void {
    this.#use.capture.inbox.wake();
    this.#content.give();
    this.#room.give();
  }

  async #untilAllEnd(loops: readonly Promise<void>[]): Promise<void> {
    const failures: unknown[] = [];
    const watched = loops.map((loop) =>
      loop.catch((error: unknown) => {
        failures.push(error);
        this.#ending.abort();
      }),
    );
    await Promise.all(watched);
    if (failures.length > 0) throw asRelayError(failures[0]);
  }

  /** Capture to batch. */
  async #fill(): Promise<void> {
    try {
      await this.#takeAll();
    } catch (error) {
      await this.#commitBefore(asRelayError(error));
      throw error;
    }
  }

  async #takeAll(): Promise<void> {
    const { inbox } = this.#use.capture;
    while (await this.#arrival()) {
      for (let next = inbox.peek(); next !== undefined && !this.#isEnding; next = inbox.peek()) {
        await this.#take(next);
        inbox.shift();
      }
    }
  }

  /**
   * A fault at one place of the stream, be it the row that Postgres cannot send, the event that halts or the end of the
   * connection, must not take away what came before it: otherwise a fault that every session meets again would keep good
   * events from being published for as long as nobody removes it. Where the connection is gone another relay may have the
   * slot by now; this one publishes until that one fences it, and that one reads the progress only then.
   */
  async #commitBefore({ entry }: RelayError): Promise<void> {
    if (!entry.doubtsHistory) await this.#allCommitted();
  }

  get #isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Whether there is something to take, as opposed to an end. @throws the failure of the stream */
  async #arrival(): Promise<boolean> {
    if (!this.#isEnding) await this.#use.capture.inbox.arrival();
    return !this.#isEnding;
  }

  async #take(transaction: CommittedTransaction): Promise<void> {
    this.#history.assertTold(transaction);
    const published = publishedPart(this.#claimed, transaction);
    if (published === 'all') {
      // Skipped, not covered: covering it would take the progress back into what is published already, and its bytes
      // would wait for a commit that may need the room they take.
      this.#use.capture.inbox.release(transaction.bytes);
      return;
    }
    await failpoint('TRANSACTION_RECEIVED');
    if (transaction.fault !== undefined) throw transaction.fault;
    this.#use.observer.captured?.(capturedFact(transaction, published));
    this.#heed(transaction);
    const released = await this.#release(transaction);
    const decision = await this.#decide(transaction, eventsOf(transaction, published));
    const copies = await this.#copy(released, decision.deadLetters);
    while (!this.#filling.takes(transaction, this.#use.config.publish) && !this.#isEnding) {
      this.#isBlocked = true;
      this.#content.give();
      await this.#room.wait();
    }
    this.#isBlocked = false;
    if (this.#isEnding) return;
    this.#filling.add(transaction, decision, { released, copies });
    if (isEventless(transaction)) this.#use.capture.inbox.release(transaction.bytes);
    this.#content.give();
  }

  /** What the transaction asks to be released. Everything before it is committed then, and so all that waits is stored. */
  async #release(transaction: CommittedTransaction): Promise<Released> {
    if (transaction.releases === undefined) return { records: [], releases: [] };
    await this.#allCommitted();
    const released = await this.#patiently('release', () => releaseKeys(this.#use, transaction));
    for (const { outcome, key } of released.releases) if (outcome === 'released') this.#refusals.release(key);
    return released;
  }

  async #allCommitted(): Promise<void> {
    while ((this.#filling.hasEvents || this.#committing !== undefined) && !this.#isEnding) {
      this.#isBlocked = true;
      this.#content.give();
      await this.#room.wait();
    }
    this.#isBlocked = false;
  }

  async #copy({ releases }: Released, deadLetters: readonly Refusal[]): Promise<OutboundRecord[]> {
    const topic = this.#use.deadLetterTopic;
    if (topic === undefined) return [];
    const refusedAgain = releases.flatMap(({ refused }) => refused ?? []);
    return this.#patiently('dead-letter copy', () => topic.copies([...refusedAgain, ...deadLetters]));
  }

  #heed({ beat }: CommittedTransaction): void {
    if (beat === undefined) return;
    this.#upkeep.returned(beat, this.#beat);
    this.#beat = beat;
  }

  async #decide(transaction: CommittedTransaction, events: OutboxEvents): Promise<Decision> {
    const encoded = await this.#patiently('encoding', () => this.#use.encoder.encode(events));
    this.#use.observer.encoded?.(encodedFact(transaction, encoded));
    const decision = this.#refusals.decide(events, encoded, performance.now());
    await failpoint('TRANSACTION_ENCODED');
    return decision;
  }

  /** An outage of the registry, of Kafka's metadata or of Postgres holds the stream here; nothing is skipped. */
  async #patiently<Result>(doing: Repeated, work: () => Promise<Result>): Promise<Result> {
    const { config, observer } = this.#use;
    for (let attempt = 0; ; attempt++) {
      try {
        const result = await work();
        if (attempt > 0) observer.recovered?.({ doing });
        return result;
      } catch (error) {
        const failure = asRelayError(error);
        if (failure.class !== 'retry' || this.#isEnding) throw failure;
        const retryInMs = backoffMs(attempt, config.retry);
        observer.retried?.({ doing, failure, retryInMs });
        await pause(retryInMs, this.#ending.signal);
      }
    }
  }

  /** Batch to Kafka to Postgres. */
  async #publish(): Promise<void> {
    while (await this.#due()) {
      const filled = this.#filling;
      this.#filling = new Filling(this.#use.publisher.newBatch());
      this.#room.give();
      this.#committing = filled;
      await this.#commit(filled);
      this.#committing = undefined;
      this.#room.give();
    }
  }

  /** Waits until the batch is due, or until the stream ends. */
  async #due(): Promise<boolean> {
    while (!this.#isEnding) {
      const waitMs = dueInMs(this.#filling, this.#isBlocked, this.#pacing, performance.now());
      if (waitMs === 0) return true;
      await this.#content.wait(waitMs);
    }
    return false;
  }

  async #commit(filled: Filling): Promise<void> {
    const { pool, publisher, capture, session, instance, topics, pace, observer } = this.#use;
    const { batch, covered } = filled;
    if (covered === undefined) return;
    await failpoint('BATCH_TAKEN');
    await storeDecisions(pool, session, filled.decisions);
    await failpoint('DEAD_LETTERS_STORED');
    const { timeline } = capture.system;
    const writer = { instance, time: new Date().toISOString(), timeline };
    const next = advance(this.#progress, covered, filled.events, writer);
    this.#pacing.begunMs = performance.now();
    try {
      await publisher.commit(batch, next);
    } catch (error) {
      throw await this.#explain(asRelayError(error), filled);
    }
    await failpoint('KAFKA_COMMITTED');
    this.#progress = next;
    this.#pacing.committedMs = performance.now();
    const eventsByTopic = batch.eventsByTopic();
    topics.wrote(eventsByTopic.keys());
    if (filled.hasEvents) pace.committed(this.#pacing.committedMs - this.#pacing.begunMs);
    // The one place where Postgres is told that it may forget: after Kafka has confirmed the progress that covers it.
    capture.acknowledge(next.endLsn);
    capture.inbox.release(filled.capturedBytes);
    observer.acknowledged?.({ endLsn: next.endLsn });
    await failpoint('ACKNOWLEDGED');
    this.#report(filled, next, eventsByTopic, this.#pacing.committedMs - this.#pacing.begunMs);
  }

  /** What only the time that the transaction took, or its topics, can tell. */
  async #explain(failure: RelayError, { batch, committedAtMs }: Filling): Promise<RelayError> {
    const { config, pace, topics, observer } = this.#use;
    const elapsedMs = Math.round(performance.now() - this.#pacing.begunMs);
    const { transactionTimeoutMs } = config.kafka;
    if (!isExpired(failure, elapsedMs, transactionTimeoutMs))
      return topics.explain(failure, [...batch.eventsByTopic().keys()]);
    const { events, bytes } = batch;
    pace.expired(batch, committedAtMs.length);
    const { isSplitting, limits } = pace;
    const { maxTransactionEvents, maxTransactionBytes, batchEvents } = limits;
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
    { batch, events, deadLetters, committedAtMs }: Filling,
    progress: Progress,
    eventsByTopic: Map<string, number>,
    kafkaMs: number,
  ): void {
    const { observer, deadLetterTopic } = this.#use;
    if (deadLetterTopic !== undefined) eventsByTopic.delete(deadLetterTopic.name);
    observer.committed?.({
      progress,
      events,
      eventsByTopic,
      bytes: batch.bytes,
      deadLetters: deadLetters.length,
      committedAtMs,
      kafkaMs,
    });
    if (deadLetters.length > 0) observer.deadLettered?.({ events: deadLetters.map(refusedEvent) });
  }
}

type Repeated = Exclude<Facts['retried']['doing'], 'session'>;

/** For the last acknowledgement to arrive; without it the next start only reads a second of WAL again. */
const flushTimeoutMs = 1_000;
