/**
 * Owns the path of the events while the relay holds the slot. Two loops meet at one batch: `#fill` takes transactions from
 * capture, encodes them and adds them; `#publish` takes the batch and commits it (`committer.ts`). So one batch fills while
 * another is in flight. `#content` wakes the publisher and `#room` the filler; `#isBlocked` makes the batch due now. The
 * first failure ends both loops and all duties. The next session starts from the progress in Kafka.
 *
 * A Postgres transaction that is too large for the memory comes in parts, which all go into one Kafka transaction. Where
 * that one cannot stay open for long enough, the Postgres transaction is split (`splitting.ts`).
 */
import type { Kafka } from 'kafkajs';
import { eventsOf, type OutboxEvents } from '../capture/event.ts';
import type { CommittedTransaction } from '../capture/transaction.ts';
import { backoffMs, pause } from '../connect/backoff.ts';
import type { DeadLetterTopic } from '../encode/dead-letter-topic.ts';
import type { Encoder } from '../encode/encoder.ts';
import type { EncodedEvent, OutboundRecord, Refusal } from '../encode/record.ts';
import { asRelayError, type RelayError } from '../errors.ts';
import type { Control } from '../model/control.ts';
import type { Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import type { Facts } from '../observe/facts.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { StandingPartitions } from '../publish/standing-partitions.ts';
import type { TopicKey } from '../refusals/parked-keys.ts';
import { Refusals } from '../refusals/refusals.ts';
import { SameHistory } from '../session/same-history.ts';
import { Upkeep } from '../upkeep/upkeep.ts';
import { type CommitDependencies, Committer } from './committer.ts';
import { capturedFact, encodedFact } from './facts.ts';
import { Filling, leavesNothing } from './filling.ts';
import { Gatekeeper } from './gatekeeper.ts';
import { KeySampler } from './key-sampler.ts';
import { Notice } from './notice.ts';
import { coveredBy } from './open-transaction.ts';
import { dueInMs } from './pacing.ts';
import { publishedPart } from './published-part.ts';
import { type Released, releaseKeys } from './release-keys.ts';
import {
  type Asked,
  aheadOf,
  asking,
  endsAtMs,
  exceeds,
  marked,
  openForMs,
  type SplitReason,
  within,
} from './splitting.ts';
import { TracedEvents } from './traced-events.ts';

export type StreamingDependencies = CommitDependencies & {
  readonly encoder: Encoder;
  readonly kafka: Kafka;
  /** Of this process. */
  readonly standing: StandingPartitions;
  /** Where the slot begins. */
  readonly slotLsn: Lsn;
  /** Keys that wait as of the progress. */
  readonly parked: readonly TopicKey[];
  /** Identity of the publication that the session streams through. */
  readonly publication: string;
  /** What people have told the relay, read before the session publishes anything. */
  readonly control: Control;
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
  readonly #gatekeeper: Gatekeeper;
  readonly #committer: Committer;
  readonly #keySampler: KeySampler | undefined;
  #filling: Filling;
  #committing: Filling | undefined;
  #isBlocked = false;
  #beat: number;
  /** That the open Kafka transaction is to be committed although its Postgres transaction goes on. */
  #split: Asked | undefined;
  /** Commit LSN of a Postgres transaction whose first events are in an earlier Kafka transaction. */
  #continued: Lsn | undefined;

  constructor(dependencies: StreamingDependencies) {
    this.#use = dependencies;
    this.#claimed = dependencies.progress;
    this.#history = new SameHistory(dependencies.progress, dependencies.slotLsn);
    this.#committer = new Committer(dependencies);
    if (dependencies.observer.keysSampled !== undefined) this.#keySampler = new KeySampler(performance.now());
    this.#beat = dependencies.progress.beat;
    this.#continued = dependencies.progress.partial?.commitLsn;
    this.#filling = this.#newFilling();
    this.#gatekeeper = new Gatekeeper({
      ...dependencies,
      ending: this.#ending.signal,
      onStanding: () => this.#ask('pause'),
      failure: () => dependencies.capture.inbox.failure,
    });
    this.#refusals = new Refusals(
      dependencies.config.deadLetters,
      dependencies.parked,
      this.#gatekeeper.gate,
    );
    const { capture } = dependencies;
    this.#upkeep = new Upkeep({
      ...dependencies,
      progress: () => this.#committer.progress,
      obey: (control) => this.#gatekeeper.obey(control),
      stream: () => capture,
    });
  }

  /** What is committed so far. */
  get progress(): Progress {
    return this.#committer.progress;
  }

  /** Commit time in Postgres, ms since 1970, of the oldest transaction that is received and not yet in Kafka. */
  get oldestWaitingMs(): number | undefined {
    return (
      this.#committer.open?.committedAtMs[0] ??
      this.#committing?.committedAtMs[0] ??
      this.#filling.committedAtMs[0] ??
      (this.isRepeating ? undefined : this.#use.capture.inbox.first?.committedAtMs)
    );
  }

  /** Whether the first transaction in line is published already: a new session gets the last of them again. */
  get isRepeating(): boolean {
    const { first } = this.#use.capture.inbox;
    return first !== undefined && publishedPart(this.#claimed, first) === 'all';
  }

  /** Events that are received and not yet committed. */
  get waitingEvents(): number {
    const written = this.#committer.open?.rows ?? 0;
    return written + (this.#committing?.rows ?? 0) + this.#filling.rows + this.#use.capture.inbox.events;
  }

  /** What the stream stands still for because somebody said so, and whether the rate limit holds events up. */
  get pace(): Pick<Gatekeeper, 'obstacle' | 'isLimited'> {
    return this.#gatekeeper;
  }

  /**
   * Streams until `signal`. Then the batch in flight is still committed and acknowledged; the one that fills is not.
   * @throws RelayError the first failure. Where the stream itself fails, everything before the failure is committed.
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
      // Spares the next start what it need not see again: a table as it was before somebody altered it, for example.
      if (asRelayError(error).class === 'stop') await this.#use.capture.flush(flushTimeoutMs);
      throw error;
    } finally {
      signal.removeEventListener('abort', end);
      // The next session gets the whole Postgres transaction again.
      if (this.#committer.open !== undefined) await this.#use.publisher.abandon();
    }
    await this.#use.capture.flush(flushTimeoutMs);
    await failpoint('DRAINED');
  }

  #wakeAll(): void {
    this.#use.capture.inbox.wake();
    this.#content.give();
    this.#room.give();
    this.#gatekeeper.wake();
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
        // What was taken of it are texts and records of their own.
        next.rows.giveUp();
        inbox.shift();
      }
    }
  }

  /**
   * A fault at one place of the stream must not hold back what came before it, be it a row that Postgres cannot send, an
   * event that halts or the end of the connection: every session meets such a fault again, and would publish nothing until
   * somebody removes it. Where the connection is gone, another relay may hold the slot by now. This one publishes until
   * that one fences it, and that one reads the progress only then.
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

  /** Waits only where there is something to wait for: most transactions are small, and a wait costs as much as an event. */
  async #take(transaction: CommittedTransaction): Promise<void> {
    this.#history.assertTold(transaction);
    const published = publishedPart(this.#claimed, transaction);
    if (published === 'all') {
      // Skipped, not covered: covering it would take the progress back into what is published already, and its bytes
      // would wait for a commit that may need the room they take.
      this.#use.capture.inbox.release(transaction.bytes);
      return;
    }
    const received = failpoint('TRANSACTION_RECEIVED');
    if (received !== undefined) await received;
    if (transaction.fault !== undefined) {
      // Nothing that is wrong with an event ends a relay that stands still.
      await this.#gatekeeper.whileAllPaused();
      throw transaction.fault;
    }
    this.#use.observer.captured?.(capturedFact(transaction, published));
    this.#heed(transaction);
    if (this.#isOverLimit(transaction)) await this.#splitBefore();
    const takenMs = performance.now();
    const { receivedMs = takenMs } = transaction;
    const released = transaction.releases === undefined ? nothingReleased : await this.#release(transaction);
    const events = eventsOf(transaction, published);
    const admitted = await this.#admit(transaction, events);
    if (admitted === undefined) return;
    const { encoded, encodingMs, stoodMs } = admitted;
    const decision = this.#refusals.decide(events, encoded, performance.now());
    const decided = failpoint('TRANSACTION_ENCODED');
    if (decided !== undefined) await decided;
    const { deadLetterTopic } = this.#use;
    const copies =
      deadLetterTopic === undefined ? [] : await this.#copy(deadLetterTopic, released, decision.deadLetters);
    const encodedMs = performance.now();
    // What it stood at the gate for counts as waiting.
    const waypoints = { receivedMs, takenMs: takenMs + stoodMs, encodedMs, encodingMs };
    const sampled = this.#keySampler?.sample(decision.records, encodedMs);
    if (sampled !== undefined) this.#use.observer.keysSampled?.(sampled);
    const isFull = () => !this.#filling.takes(transaction, this.#use.config.publish);
    if (isFull()) await this.#while(isFull);
    if (this.#isEnding) return;
    const isContinued = transaction.commitLsn === this.#continued;
    this.#filling.add(transaction, isContinued ? marked(decision) : decision, {
      released,
      copies,
      waypoints,
    });
    this.#filling.passed = this.#gatekeeper.passed;
    if (leavesNothing(transaction, decision)) this.#use.capture.inbox.release(transaction.bytes);
    this.#content.give();
  }

  /** Whether a part would take its Kafka transaction beyond the limits of the settings. */
  #isOverLimit(part: CommittedTransaction): boolean {
    const ahead = aheadOf(part, this.#committer.open, [this.#committing, this.#filling]);
    return exceeds(part, ahead, this.#use.transactionLimits.publish);
  }

  async #splitBefore(): Promise<void> {
    this.#ask('limit');
    await this.#while(
      () =>
        this.#committer.open !== undefined ||
        [this.#committing, this.#filling].some((each) => each?.hasEvents === true),
    );
  }

  /** Has the open Kafka transaction committed although its Postgres transaction goes on. */
  #ask(reason: SplitReason): void {
    const commitLsn = within(this.#committer.open, [this.#filling, this.#committing]);
    if (commitLsn === undefined) return;
    this.#split = asking(this.#split, { reason, commitLsn });
    this.#content.give();
  }

  /**
   * Publishes the keys whose release the transaction requests. Everything before it is committed first, so that every
   * event that waits is stored. The parts of the transaction itself are written: theirs are stored too.
   */
  async #release(transaction: CommittedTransaction): Promise<Released> {
    await this.#allCommitted();
    for (;;) {
      await this.#gatekeeper.whileAllPaused();
      if (this.#isEnding) return nothingReleased;
      const released = await this.#patiently('release', () =>
        releaseKeys(this.#use, this.#refusals, transaction),
      );
      if (released.releases.length === 0) return released;
      const passage = await this.#gatekeeper.passDecided(released.records);
      if (passage === 'again') continue;
      if (passage === 'ended') return nothingReleased;
      this.#refusals.assertNoStorm(released.encoded, released.newlyRefused, performance.now());
      for (const { outcome, key } of released.releases)
        if (outcome === 'released') this.#refusals.release(key);
      return released;
    }
  }

  async #allCommitted(): Promise<void> {
    await this.#while(() => this.#filling.hasEvents || this.#committing !== undefined);
  }

  /** Waits for the publisher. */
  async #while(isBusy: () => boolean): Promise<void> {
    while (isBusy() && !this.#isEnding) {
      this.#isBlocked = true;
      this.#content.give();
      await this.#room.wait();
    }
    this.#isBlocked = false;
  }

  async #copy(
    topic: DeadLetterTopic,
    { releases }: Released,
    deadLetters: readonly Refusal[],
  ): Promise<OutboundRecord[]> {
    const refusedAgain = releases.flatMap(({ refused }) => refused);
    return this.#patiently('dead-letter copy', () => topic.copies([...refusedAgain, ...deadLetters]));
  }

  #heed({ beat }: CommittedTransaction): void {
    if (beat === undefined) return;
    this.#upkeep.returned(beat, this.#beat);
    this.#beat = beat;
  }

  /**
   * Encodes the events, and waits until they may be published. While everything is paused they are not even encoded: what
   * is wrong with them must not end a relay that stands still. What waited long is encoded again, since its topic or its
   * schema may have changed.
   * @returns undefined at an end
   */
  async #admit(transaction: CommittedTransaction, events: OutboxEvents): Promise<Admitted | undefined> {
    if (events.length === 0) return { encoded: [], encodingMs: 0, stoodMs: 0 };
    const { stoodMs } = this.#gatekeeper;
    for (;;) {
      if (this.#gatekeeper.gate.isAllPaused) await this.#gatekeeper.whileAllPaused();
      if (this.#isEnding) return undefined;
      let begunMs = 0;
      const encoded = await this.#patiently('encoding', () => {
        begunMs = performance.now();
        return this.#use.encoder.encode(events);
      });
      const encodingMs = performance.now() - begunMs;
      const passing = this.#gatekeeper.pass(encoded, this.#refusals.parkedKeys);
      const passage = passing instanceof Promise ? await passing : passing;
      if (passage === 'again') continue;
      if (passage === 'ended') return undefined;
      this.#use.observer.encoded?.(encodedFact(transaction, encoded));
      return { encoded, encodingMs, stoodMs: this.#gatekeeper.stoodMs - stoodMs };
    }
  }

  /** Retries through an outage of the registry, of Kafka's metadata or of Postgres. The stream waits here and skips nothing. */
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

  #newFilling(): Filling {
    const { publisher, observer } = this.#use;
    return new Filling(publisher.newBatch(), observer.traced === undefined ? undefined : new TracedEvents());
  }

  /** Batch to Kafka to Postgres. */
  async #publish(): Promise<void> {
    let passed = 0;
    while (await this.#due()) {
      const filled = this.#filling;
      this.#filling = this.#newFilling();
      this.#room.give();
      this.#committing = filled;
      const split = this.#splitNow(filled);
      if (split !== undefined) this.#use.observer.split?.(split);
      passed = Math.max(passed, filled.passed);
      const isEnded = await this.#committer.commit(filled, split !== undefined);
      this.#committing = undefined;
      if (isEnded) this.#gatekeeper.committed(passed);
      this.#room.give();
    }
  }

  /**
   * Whether the Postgres transaction that the batch ends within is split behind it. What is added from here on comes with
   * the mark.
   */
  #splitNow(filled: Filling): Facts['split'] | undefined {
    const { open } = this.#committer;
    const partial = coveredBy(open, filled)?.partial ?? null;
    const asked = this.#split?.commitLsn === partial?.commitLsn ? this.#split?.reason : undefined;
    const reason = asked ?? (this.#isLate(performance.now()) ? 'time' : undefined);
    this.#split = undefined;
    if (partial === null || reason === undefined) return undefined;
    this.#continued = partial.commitLsn;
    const events = (open?.events ?? 0) + filled.events;
    return { commitLsn: partial.commitLsn, reason, events };
  }

  #isLate(nowMs: number): boolean {
    const { open } = this.#committer;
    return open !== undefined && nowMs >= endsAtMs(open, openForMs(this.#use.config.kafka));
  }

  /** Waits until the batch is due, or until the stream ends. */
  async #due(): Promise<boolean> {
    while (!this.#isEnding) {
      const waitMs = this.#dueInMs(performance.now());
      if (waitMs === 0) return true;
      await this.#content.wait(waitMs);
    }
    return false;
  }

  /** @returns undefined while there is nothing to commit */
  #dueInMs(nowMs: number): number | undefined {
    const { open, pacing } = this.#committer;
    const { hasEvents, covered } = this.#filling;
    if (open === undefined) return dueInMs(this.#filling, this.#isBlocked, pacing, nowMs);
    // What belongs to an open transaction waits for nothing: consumers wait for it.
    if (hasEvents || covered !== undefined || this.#split !== undefined) return 0;
    // The stream may stall within a transaction, for a schema or for Postgres.
    return Math.max(0, open.begunMs + openForMs(this.#use.config.kafka) - nowMs);
  }
}

const nothingReleased: Released = { records: [], releases: [], encoded: 0, newlyRefused: [] };

/** Events that may go now. */
type Admitted = {
  readonly encoded: readonly EncodedEvent[];
  /** The last attempt to encode them. */
  readonly encodingMs: number;
  readonly stoodMs: number;
};

type Repeated = Exclude<Facts['retried']['doing'], 'session'>;

/** Time for the last acknowledgement to arrive. Without it, the next start reads a second of WAL again, no more. */
const flushTimeoutMs = 1_000;
