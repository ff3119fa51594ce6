/**
 * The life of a relay, top to bottom. A session is one hold of the slot, one producer, one claim; whatever fails ends it,
 * and the next one begins at standby and believes only what it reads from Kafka.
 *
 *   standby ──▶ fencing ──▶ claiming ──▶ streaming ──▶ draining
 *      ▲           │            │            │
 *      └───────────┴────────────┴────────────┘  any failure that can pass
 *
 * - standby: follow the progress topic, wait until the slot is free, take it. Postgres elects: a slot has one reader.
 * - fencing: InitProducerId ends the predecessor's transaction and every later write of it.
 * - claiming: write a claim, read it back; the last progress before it is the truth. Compare it with the database.
 * - streaming: see `streaming.ts`.
 */
import type { Admin, Kafka } from 'kafkajs';
import type pg from 'pg';
import type { Logger } from 'pino';
import { Capture } from './capture/capture.ts';
import { assertStreamable, examineOutbox } from './capture/outbox-table.ts';
import { assertSamePublication, readPublication } from './capture/publication.ts';
import type { Config } from './config/config.ts';
import { backoffMs, pause } from './connect/backoff.ts';
import { kafkaError } from './connect/kafka.ts';
import { DeadLetterTopic } from './encode/dead-letter-topic.ts';
import { Encoder } from './encode/encoder.ts';
import type { SchemaSource } from './encode/registry/schemas.ts';
import { asRelayError, RelayError } from './errors.ts';
import { readMarks } from './ledger/bookkeeping.ts';
import { type Begun, beginSession } from './ledger/session.ts';
import { takeSnapshot } from './ledger/snapshots.ts';
import { readStandbyNames, standbyHint } from './ledger/standbys.ts';
import { formatLsn, type Lsn } from './model/position.ts';
import type { Progress } from './model/progress.ts';
import { failpoint } from './observe/failpoints.ts';
import type { Health } from './observe/health.ts';
import type { Metrics } from './observe/metrics.ts';
import { tellIfSlow } from './observe/slow-step.ts';
import type { RelayState } from './observe/state.ts';
import { fencePublisher } from './publish/fence.ts';
import { Pace } from './publish/pace.ts';
import { ensureProgressTopic, ProgressTail } from './publish/progress-topic.ts';
import type { Publisher } from './publish/publisher.ts';
import { Topics } from './publish/topics.ts';
import { claimProgress } from './session/claim.ts';
import { type Connections, connections } from './session/connections.ts';
import { assertOwnProgress, progressAt, readDatabaseState } from './session/database-state.ts';
import { instanceName } from './session/instance.ts';
import { type Claimed, compareLineage, type DatabaseState, type Lineage } from './session/lineage.ts';
import { Streaming } from './stream/streaming.ts';
import { observeSlot } from './upkeep/slot-health.ts';

/** The ways between the states; each failure leads back to standby, each request to end leads to draining. */
const transitions: Readonly<Record<RelayState, readonly RelayState[]>> = {
  standby: ['standby', 'fencing', 'draining'],
  fencing: ['claiming', 'standby', 'draining'],
  claiming: ['streaming', 'standby', 'draining'],
  streaming: ['standby', 'draining'],
  draining: [],
};

export type RelayDependencies = {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly registry: SchemaSource;
  readonly connections?: Connections;
};

/** The slot; and of before it was taken or made, the publication and the number of the last session that had begun. */
type Held = { readonly capture: Capture; readonly publication: string; readonly lastSession: number };

/** Where the session begins. */
type Resolved = Begun & {
  readonly progress: Progress;
  /** Where the slot begins. */
  readonly slotLsn: Lsn;
};

export class Relay {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #health: Health;
  readonly #connections: Connections;
  readonly #instance = instanceName(process.pid);
  readonly #pool: pg.Pool;
  readonly #kafka: Kafka;
  readonly #admin: Admin;
  readonly #encoder: Encoder;
  readonly #deadLetterTopic: DeadLetterTopic | undefined;
  readonly #topics: Topics;
  /** With the limits on transactions as of now. */
  readonly #paced: Config;
  readonly #pace: Pace;
  #tail: ProgressTail | undefined;
  #state: RelayState = 'standby';
  #hasBegun = false;
  #capture: Capture | undefined;
  #streaming: Streaming | undefined;
  /** The slot that this process made, and a snapshot from before. */
  #made: { readonly lsn: Lsn; readonly snapshot: string } | undefined;
  #done = { events: 0, deadLetters: 0 };
  /** What was said about the outbox table, once a process. */
  readonly #told = new Set<string>();
  /** Failures since a session last published, or waited for another relay. */
  #attempt = 0;
  /** Of the failures, those in a row for which Kafka refused the records. */
  #refusals = 0;
  /** The last progress of another relay, as this one saw it last while it waited. */
  #published: string | undefined;

  constructor({ config, log, metrics, health, registry, ...own }: RelayDependencies) {
    this.#config = config;
    this.#log = log.child({ slot: config.slot, instance: this.#instance });
    this.#metrics = metrics;
    this.#health = health;
    this.#connections = own.connections ?? connections;
    this.#pool = this.#connections.pool(config);
    this.#kafka = this.#connections.kafka(config, this.#log);
    this.#admin = this.#kafka.admin();
    const topics = new Topics(this.#kafka, this.#admin, config);
    this.#topics = topics;
    this.#pace = new Pace(config);
    this.#paced = { ...config, publish: this.#pace.limits };
    this.#encoder = new Encoder(config, registry, topics, this.#log);
    const { topic } = config.deadLetters;
    this.#deadLetterTopic =
      topic === undefined ? undefined : new DeadLetterTopic(topic, topics, config.publish.maxRecordBytes);
  }

  /**
   * Runs until `signal`, through every failure that can pass.
   * @throws RelayError of class `stop`: going on could lose or double events, or cannot work.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#enter('standby');
    try {
      while (!signal.aborted) await this.#attemptSession(signal);
      if (this.#state !== 'draining') this.#enter('draining');
    } catch (error) {
      const failure = asRelayError(error);
      this.#metrics.countError(failure.code);
      this.#health.stopped(failure);
      throw failure;
    } finally {
      await this.#close();
    }
  }

  /** Brings the gauges up to date; called when somebody asks for them. */
  sample(): void {
    this.#metrics.setRetries(this.#health.retries());
    this.#metrics.setInFlight(this.#capture?.inbox.bytes ?? 0, this.#config.capture.maxInFlightBytes);
    const oldestMs = this.#streaming?.oldestWaitingMs;
    this.#metrics.setReplicationLag(
      this.#lagBytes(),
      oldestMs === undefined ? 0 : (Date.now() - oldestMs) / 1000,
    );
  }

  /** What was done since the last call, for the log. */
  work(): { state: RelayState; events: number; deadLetters: number; lagBytes: number } {
    const { events, deadLetters } = this.#done;
    this.#done = { events: 0, deadLetters: 0 };
    return { state: this.#state, events, deadLetters, lagBytes: this.#lagBytes() };
  }

  #lagBytes(): number {
    const endLsn = this.#streaming?.progress.endLsn;
    return endLsn === undefined ? 0 : Math.max(0, Number((this.#capture?.serverLsn ?? endLsn) - endLsn));
  }

  async #attemptSession(signal: AbortSignal): Promise<void> {
    try {
      await this.#session(signal);
    } catch (error) {
      const failure = this.#weigh(asRelayError(error));
      if (failure.class !== 'retry') throw failure;
      // What could not be committed any more is published by the next start.
      if (signal.aborted) return void this.#log.warn({ err: failure }, 'the session failed while draining');
      await this.#retryLater(failure, signal);
    }
  }

  /** What is refused the same way each time, with no progress between, needs a person. */
  #weigh(failure: RelayError): RelayError {
    this.#refusals = failure.code === 'PUBLISH_REFUSED' ? this.#refusals + 1 : 0;
    if (this.#refusals <= this.#config.retry.unclearAttempts) return failure;
    return new RelayError('KAFKA_UNSUITABLE', failure.message, { cause: failure, context: failure.context });
  }

  async #retryLater(failure: RelayError, signal: AbortSignal): Promise<void> {
    const retryInMs = backoffMs(this.#attempt, this.#config.retry);
    this.#attempt += 1;
    this.#published = this.#tail?.latest;
    this.#metrics.countError(failure.code);
    this.#metrics.countRetry(failure.code);
    this.#health.failing(failure, retryInMs);
    this.#log.warn({ err: failure, retryInMs }, 'session ended, the next one begins at standby');
    this.#encoder.forgetTopics();
    this.#deadLetterTopic?.forgetTopic();
    this.#enter('standby');
    await failpoint('SESSION_FAILED');
    await pause(retryInMs, signal);
  }

  async #session(signal: AbortSignal): Promise<void> {
    const tail = await this.#followProgress();
    const held = await this.#takeSlot(signal);
    if (held === undefined) return;
    const { capture } = held;
    this.#capture = capture;
    let publisher: Publisher | undefined;
    try {
      await failpoint('SLOT_TAKEN');
      await assertOwnProgress(tail, capture.system.systemIdentifier);
      this.#enter('fencing');
      publisher = await this.#tell('fencing the predecessor', fencePublisher(this.#kafka, this.#config));
      await failpoint('PRODUCER_FENCED');
      this.#enter('claiming');
      const claimed = await this.#tell('claiming the progress', claimProgress(publisher, tail));
      await failpoint('CLAIM_READ');
      const resolving = this.#resolveLineage(held, publisher, claimed);
      const resolved = await this.#tell('comparing the progress with the database', resolving);
      await this.#stream({ ...held, publisher, ...resolved }, signal);
    } catch (error) {
      throw this.#streaming === undefined ? causeOf(error, capture.inbox.failure) : error;
    } finally {
      this.#capture = undefined;
      this.#streaming = undefined;
      await Promise.all([publisher?.close(), capture.close()]);
    }
  }

  #tell<Result>(doing: string, work: Promise<Result>): Promise<Result> {
    return tellIfSlow({ log: this.#log, health: this.#health }, doing, work);
  }

  /** The tail outlives sessions, so that a standby has read the topic before its turn comes. */
  async #followProgress(): Promise<ProgressTail> {
    const { progressTopic } = this.#config.kafka;
    try {
      await this.#tell('connecting to Kafka', this.#admin.connect());
      // Before each session: one that was deleted meanwhile must be found empty, not waited for.
      await this.#tell('looking for the progress topic', ensureProgressTopic(this.#admin, progressTopic));
    } catch (error) {
      // The client would keep a connection on which nothing comes back for as long as TCP does: a quarter of an hour.
      await this.#admin.disconnect().catch(() => {});
      throw kafkaError(error, 'connecting to Kafka');
    }
    if (this.#tail !== undefined && this.#tail.crashed === undefined) {
      this.#tail.resume();
      return this.#tail;
    }
    await this.#tail?.stop();
    this.#tail = undefined;
    const tail = new ProgressTail(this.#kafka, {
      topic: progressTopic,
      slot: this.#config.slot,
      onTrouble: (failure) => this.#tellOfTail(failure),
    });
    this.#tail = tail;
    try {
      await this.#tell('connecting to the progress topic', tail.start());
    } catch (error) {
      this.#tail = undefined;
      await tail.stop();
      throw error;
    }
    return tail;
  }

  /** A standby that cannot read the progress would be late when its turn comes. */
  #tellOfTail(failure: RelayError | undefined): void {
    if (failure === undefined) return void this.#log.info('the progress topic is followed again');
    this.#metrics.countError(failure.code);
    this.#metrics.countRetry(failure.code);
    this.#log.warn({ err: failure }, 'the progress topic cannot be read now; it is tried again until it can');
  }

  /** Waits for the slot to be free, and takes it. undefined when asked to end meanwhile. */
  async #takeSlot(signal: AbortSignal): Promise<Held | undefined> {
    while (!signal.aborted) {
      if (this.#tail?.crashed !== undefined) throw this.#tail.crashed;
      const held = await this.#tell('asking for the replication slot', this.#tryToTakeSlot());
      if (held !== undefined) return held;
      await pause(this.#config.capture.standbyPollMs, signal);
    }
    return undefined;
  }

  async #tryToTakeSlot(): Promise<Held | undefined> {
    const { slot } = this.#config;
    const marks = await readMarks(this.#pool, slot);
    if (marks.isInRecovery)
      throw new RelayError('POSTGRES_UNAVAILABLE', 'the server is a standby that was not promoted yet');
    const found = await observeSlot(this.#pool, slot, this.#metrics);
    if (found?.isActive === true) return this.#waitForPeer(found.activePid);
    const publication = await readPublication(this.#pool, this.#config);
    assertSamePublication(marks.publication, publication);
    await this.#examineTable(found === undefined && !marks.initialised);
    if (found === undefined) await this.#createSlot(marks.initialised);
    try {
      const capture = await Capture.open(this.#paced, this.#connections.replication);
      return { capture, publication, lastSession: marks.session };
    } catch (error) {
      // Another relay was quicker: no failure.
      if (error instanceof RelayError && error.code === 'SLOT_IN_USE') return this.#waitForPeer(null);
      throw error;
    }
  }

  /** @throws RelayError OUTBOX_TABLE_INVALID, PUBLICATION_INCOMPLETE where events would be missing on the stream */
  async #examineTable(isFirstStart: boolean): Promise<void> {
    const findings = await examineOutbox(this.#pool, this.#config);
    assertStreamable(findings, isFirstStart);
    for (const { message, fix } of findings) {
      if (!this.#told.has(message)) this.#log.warn({ fix }, message);
      this.#told.add(message);
    }
  }

  #waitForPeer(activePid: number | null): undefined {
    this.#health.waitFor(undefined);
    const { reason } = this.#health.ready();
    this.#health.behindPeer();
    const published = this.#tail?.latest;
    if (published !== this.#published) this.#health.recovered();
    this.#published = published;
    if (this.#health.ready().reason !== reason)
      this.#log.info({ activePid }, 'standby: another relay is active');
    this.#attempt = 0;
  }

  async #createSlot(isInitialised: boolean): Promise<void> {
    const { slot } = this.#config;
    if (isInitialised)
      throw new RelayError('SLOT_MISSING', `slot ${slot} was used before and does not exist any more`);
    this.#log.info('creating the slot; Postgres waits for the transactions that run now');
    const snapshot = await takeSnapshot(this.#pool);
    const lsn = await this.#connections.createSlot(this.#config, {
      pool: this.#pool,
      onWaiting: (transactions) =>
        this.#log.warn({ transactions }, 'creating the slot still waits for transactions that ran before it'),
    });
    this.#made = lsn === undefined ? undefined : { lsn, snapshot };
    await failpoint('SLOT_CREATED');
  }

  /**
   * On the first start the first progress is committed before the mark is set: so the mark without a progress means that
   * the progress was lost, and a crash between the two leaves neither doubt nor work.
   */
  async #resolveLineage(held: Held, publisher: Publisher, claimed: Claimed): Promise<Resolved> {
    const { capture, publication, lastSession } = held;
    const database = await readDatabaseState(this.#pool, this.#config.slot, capture, lastSession);
    const lineage = compareLineage(claimed, database);
    const progress = this.#progressFrom(lineage, database);
    assertSamePublication(database.publication, publication);
    await failpoint('LINEAGE_CHECKED');
    if (lineage.kind === 'first-start') await publisher.commit(publisher.newBatch(), progress);
    await failpoint('FIRST_PROGRESS_COMMITTED');
    // One that somebody made again in its place begins elsewhere.
    const isAsMade = !database.initialised && this.#made?.lsn === database.slotConfirmedLsn;
    const firstSnapshot = isAsMade ? this.#made?.snapshot : undefined;
    const hold = { walSenderPid: capture.walSenderPid, lastSession, firstSnapshot };
    const begun = await beginSession(this.#pool, progress, publication, hold);
    if (begun.reread > 0)
      this.#log.info(
        { deadLetters: begun.reread },
        'reading dead letters again that the progress does not cover',
      );
    const { setting, includesRelay } = await readStandbyNames(this.#pool);
    if (includesRelay)
      this.#log.warn(
        { synchronousStandbyNames: setting, hint: standbyHint },
        'the relay counts as a synchronous standby: commits on the server wait for Kafka',
      );
    await failpoint('DEAD_LETTERS_REREAD');
    await failpoint('SLOT_MARKED');
    return { progress, slotLsn: database.slotConfirmedLsn, ...begun };
  }

  /** @throws RelayError LINEAGE_* where going on could lose or double events */
  #progressFrom(lineage: Lineage, database: DatabaseState): Progress {
    switch (lineage.kind) {
      case 'first-start':
        return progressAt(this.#config.slot, database, this.#instance);
      case 'same':
      case 'promoted':
        return lineage.progress;
      default:
        throw lineage.refusal;
    }
  }

  async #stream(held: Held & Resolved & { publisher: Publisher }, signal: AbortSignal): Promise<void> {
    const { progress } = held;
    this.#enter('streaming', { from: formatLsn(progress.endLsn), events: progress.eventCount });
    this.#metrics.countSession();
    const streaming = new Streaming({
      config: this.#paced,
      pool: this.#pool,
      log: this.#log,
      topics: this.#topics,
      pace: this.#pace,
      metrics: this.#metrics,
      health: this.#health,
      encoder: this.#encoder,
      deadLetterTopic: this.#deadLetterTopic,
      instance: this.#instance,
      onCommitted: (events, deadLetters) => {
        this.#health.recovered();
        this.#done.events += events;
        this.#done.deadLetters += deadLetters;
      },
      ...held,
    });
    this.#streaming = streaming;
    const drain = () => {
      this.#enter('draining');
      void failpoint('DRAINING');
    };
    signal.addEventListener('abort', drain, { once: true });
    try {
      if (signal.aborted) drain();
      await streaming.run(signal);
    } finally {
      signal.removeEventListener('abort', drain);
      // A session that fails before its first commit must not be followed by another at once, and so on for ever.
      if (streaming.progress !== progress) {
        this.#attempt = 0;
        this.#refusals = 0;
      }
    }
    this.#log.info(
      { until: formatLsn(streaming.progress.endLsn), events: streaming.progress.eventCount },
      'drained',
    );
  }

  #enter(state: RelayState, details: Readonly<Record<string, unknown>> = {}): void {
    if (!transitions[this.#state].includes(state))
      throw new RelayError('INTERNAL', `no way leads from ${this.#state} to ${state}`);
    if (state !== this.#state || this.#hasBegun === false) this.#log.info({ state, ...details }, state);
    this.#hasBegun = true;
    this.#state = state;
    this.#health.enter(state);
    this.#metrics.setState(state);
  }

  async #close(): Promise<void> {
    await Promise.allSettled([this.#tail?.stop(), this.#admin.disconnect(), this.#pool.end()]);
  }
}

/**
 * A stream that fails lets go of the slot, and a step before streaming then finds that another relay has it, or had it.
 * That is what came of it; what a person must know is why the stream failed.
 */
function causeOf(error: unknown, ofStream: RelayError | undefined): RelayError {
  const failure = asRelayError(error);
  const isConsequence = failure.code === 'SLOT_IN_USE' || failure.code === 'PRODUCER_FENCED';
  return ofStream !== undefined && isConsequence ? ofStream : failure;
}
