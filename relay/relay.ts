/**
 * The life of a relay, top to bottom. A session is one hold of the slot, one producer, one claim. Whatever fails ends it,
 * and the next one starts at standby and believes only what it reads from Kafka.
 *
 *   standby ──▶ fencing ──▶ claiming ──▶ lineage ──▶ streaming ──▶ draining
 *      ▲           │            │           │            │
 *      ├───────────┴────────────┴───────────┴────────────┤  any failure that can pass
 *      │                                                 │
 *      └───────────────── recovering ◀───────────────────┘  the slot is lost, and may be replaced
 *
 * - standby: follow the progress topic, wait until the slot is free, take it. Postgres elects: a slot has one reader.
 * - fencing: InitProducerId ends the predecessor's transaction and every later write of it.
 * - claiming: write a claim, read it back; the last progress before it is the truth.
 * - lineage: compare the progress with the database, and begin the session there.
 * - streaming: see `stream/streaming.ts`.
 * - recovering: with `slot.whenLost: recover`, publish what a lost slot left out, see `recover/unattended.ts`.
 * - draining: commit what is in flight, acknowledge, exit.
 *
 * What happens on the way to streaming is in `session/steps.ts`, which `adopt` and `recover` use too.
 */
import type { Admin, Kafka } from 'kafkajs';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Capture } from './capture/capture.ts';
import type { Config } from './config/config.ts';
import { pause } from './connect/backoff.ts';
import { cutConnections } from './connect/postgres/pool.ts';
import { type DeadLetterTopic, deadLetterTopicOf } from './encode/dead-letter-topic.ts';
import { Encoder } from './encode/encoder.ts';
import type { SchemaSource } from './encode/registry/schemas.ts';
import { asRelayError, RelayError } from './errors.ts';
import { readControl } from './ledger/control.ts';
import { recordOwnRecovery } from './ledger/own-recoveries.ts';
import { readMarks } from './ledger/progress-copy.ts';
import { abortWith } from './model/abort.ts';
import type { StreamSample } from './observe/facts.ts';
import { failpoint } from './observe/failpoints.ts';
import type { RelayObserver } from './observe/observer.ts';
import { type Watched, watchSteps } from './observe/slow-step.ts';
import { type RelayState, relayWork } from './observe/state.ts';
import { fencePublisher } from './publish/fence.ts';
import type { ProgressTail } from './publish/progress-topic.ts';
import { StandingPartitions } from './publish/standing-partitions.ts';
import { Topics } from './publish/topics.ts';
import { TransactionLimits } from './publish/transaction-limits.ts';
import { UnattendedRecovery } from './recover/unattended.ts';
import { begin } from './session/begin.ts';
import { claimProgress } from './session/claim.ts';
import { type Connections, connections } from './session/connections.ts';
import { assertOwnProgress, readDatabaseState } from './session/database-state.ts';
import { ProgressFollower } from './session/follow-progress.ts';
import { Setbacks } from './session/setbacks.ts';
import { blameStream, type Held, holdSession, type Opening, type SessionWork } from './session/steps.ts';
import { type RelaySlot, SlotTaker } from './session/take-slot.ts';
import { Streaming } from './stream/streaming.ts';
import { watchSlot } from './upkeep/watch-slot.ts';

/**
 * The ways between the states. Each failure leads back to standby, or to recovering if the slot is lost; each request to
 * end leads to draining.
 */
const transitions: Readonly<Record<RelayState, readonly RelayState[]>> = {
  standby: ['standby', 'fencing', 'recovering', 'draining'],
  fencing: ['claiming', 'standby', 'recovering', 'draining'],
  claiming: ['lineage', 'standby', 'recovering', 'draining'],
  lineage: ['streaming', 'standby', 'recovering', 'draining'],
  streaming: ['standby', 'recovering', 'draining'],
  recovering: ['standby', 'draining'],
  draining: [],
};

/** Where the relay is, with what it has there. It may be asked to drain before it streams. */
type Now =
  | { readonly state: 'standby' | 'recovering' | 'draining' }
  | { readonly state: 'fencing' | 'claiming' | 'lineage'; readonly capture: Capture }
  | { readonly state: 'streaming' | 'draining'; readonly capture: Capture; readonly streaming: Streaming };

export type RelayDependencies = {
  readonly config: Config;
  /** Of this process; names it in the progress. */
  readonly instance: string;
  /** For the Kafka client. What the relay itself does goes to the observer. */
  readonly log: Logger;
  readonly observer: RelayObserver;
  readonly registry: SchemaSource;
  readonly connections?: Connections;
};

export class Relay {
  readonly #config: Config;
  readonly #observer: RelayObserver;
  readonly #watched: Watched;
  readonly #instance: string;
  readonly #pool: pg.Pool;
  readonly #kafka: Kafka;
  readonly #admin: Admin;
  readonly #encoder: Encoder;
  readonly #deadLetterTopic: DeadLetterTopic | undefined;
  readonly #topics: Topics;
  /** With the limits on transactions as of now. */
  readonly #paced: Config;
  readonly #transactionLimits: TransactionLimits;
  readonly #standing = new StandingPartitions();
  readonly #follower: ProgressFollower;
  readonly #slotTaker: SlotTaker;
  readonly #setbacks: Setbacks;
  readonly #recovery: UnattendedRecovery;
  #now: Now = { state: 'standby' };

  constructor({ config, instance, log, observer, registry, ...own }: RelayDependencies) {
    this.#config = config;
    this.#instance = instance;
    this.#observer = observer;
    this.#watched = watchSteps(this.#observer);
    const servers = own.connections ?? connections;
    this.#pool = servers.pool(config);
    this.#kafka = servers.kafka(config, log);
    this.#admin = this.#kafka.admin();
    this.#topics = new Topics(this.#kafka, this.#admin, config);
    this.#transactionLimits = new TransactionLimits(config);
    this.#paced = { ...config, publish: this.#transactionLimits.publish };
    this.#encoder = new Encoder(config, registry, this.#topics, observer);
    this.#deadLetterTopic = deadLetterTopicOf(config, this.#topics);
    this.#setbacks = new Setbacks(config.retry);
    this.#recovery = new UnattendedRecovery({
      config,
      log,
      observer,
      record: (recovery) => recordOwnRecovery(this.#pool, config.slot.name, instance, recovery),
    });
    this.#follower = new ProgressFollower({
      config,
      kafka: this.#kafka,
      admin: this.#admin,
      watched: this.#watched,
      reachPostgres: () => readMarks(this.#pool, config.slot.name),
      onTrouble: (failure) => this.#reportTail(failure),
    });
    this.#slotTaker = new SlotTaker({
      config: this.#paced,
      pool: this.#pool,
      observer,
      connections: servers,
      watched: this.#watched,
      onPeer: (activePid) => this.#waitForPeer(activePid),
    });
  }

  /**
   * Runs until `signal`, through every failure that can pass. At the end, in this order:
   *
   * 1. `Streaming` commits the batch in flight and sends the last acknowledgement.
   * 2. `holdSession` closes the publisher and the connection of the stream.
   * 3. Here the rest is closed: what follows the progress and watches the slot, the admin client, the pool.
   * 4. `main.ts` ends the process even if a server keeps a socket open.
   *
   * The command `run` exits after `shutdownMs`, however far this has come.
   * @throws RelayError of class `stop`: going on could lose or double events, or cannot work.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#observer.entered?.({ state: this.#now.state, before: undefined });
    const ended = new AbortController();
    const watching = this.#watchSlot(abortWith(ended, signal));
    try {
      while (!signal.aborted) await this.#attemptSession(signal);
      if (this.#now.state !== 'draining') this.#enter({ state: 'draining' });
    } catch (error) {
      const failure = asRelayError(error);
      this.#observer.stopped?.({ failure });
      throw failure;
    } finally {
      ended.abort();
      await Promise.allSettled([this.#follower.stop(), this.#admin.disconnect(), watching, this.#pool.end()]);
    }
  }

  /** Beside the sessions: during an outage of Kafka none begins, and WAL is retained. */
  #watchSlot(signal: AbortSignal): Promise<void> {
    const means = { config: this.#config, pool: this.#pool, observer: this.#observer };
    return watchSlot({ ...means, isWatched: () => this.#now.state === 'streaming' }, signal);
  }

  async #attemptSession(signal: AbortSignal): Promise<void> {
    try {
      await this.#sessionOrRecovery(signal);
    } catch (error) {
      const failure = this.#setbacks.weigh(asRelayError(error));
      if (failure.class !== 'retry') throw failure;
      // The next start publishes what could not be committed any more.
      if (signal.aborted) return this.#observer.drainFailed?.({ failure });
      await this.#retryLater(failure, signal);
    }
  }

  async #sessionOrRecovery(signal: AbortSignal): Promise<void> {
    try {
      await this.#session(signal);
    } catch (error) {
      const failure = asRelayError(error);
      if (signal.aborted || !this.#recovery.mayRecoverFrom(failure)) throw failure;
      this.#encoder.forgetTopics();
      this.#deadLetterTopic?.forgetTopic();
      this.#enter({ state: 'recovering' });
      await this.#recovery.run(failure, signal);
      if (!signal.aborted) this.#enter({ state: 'standby' });
    }
  }

  async #retryLater(failure: RelayError, signal: AbortSignal): Promise<void> {
    const retryInMs = this.#setbacks.nextPauseMs(this.#follower.latest);
    this.#observer.retried?.({ doing: 'session', failure, retryInMs });
    // Those that are left may lead to a server that is not the primary any more.
    if (failure.entry.dependency === 'postgres') cutConnections(this.#pool);
    this.#encoder.forgetTopics();
    this.#deadLetterTopic?.forgetTopic();
    this.#enter({ state: 'standby' });
    await failpoint('SESSION_FAILED');
    await pause(retryInMs, signal);
  }

  async #session(signal: AbortSignal): Promise<void> {
    const tail = await this.#follower.follow();
    await holdSession(this.#work(tail, signal), (held) => this.#stream(held, signal));
  }

  /** What a relay does at each step; `adopt` and `recover` do less. */
  #work(tail: ProgressTail, signal: AbortSignal): SessionWork<RelaySlot> {
    return {
      onStep: (at) => this.#enter(whereAt(at)),
      takeSlot: () => this.#slotTaker.take(tail, signal),
      fence: async ({ capture }) => {
        await assertOwnProgress(tail, capture.system.systemIdentifier);
        return this.#watched(relayWork.fencing, fencePublisher(this.#kafka, this.#config));
      },
      claim: async (publisher) => {
        const claimed = await this.#watched(relayWork.claiming, claimProgress(publisher, tail));
        // At once: a failure of Postgres in the next step would hide it behind a retry, again and again.
        if (claimed.kind === 'unreadable') throw claimed.failure;
        return claimed;
      },
      readDatabase: ({ capture, ...before }) =>
        this.#watched(
          relayWork.lineage,
          readDatabaseState(this.#pool, this.#config.slot.name, capture, before),
        ),
    };
  }

  async #stream(held: Held<RelaySlot>, signal: AbortSignal): Promise<void> {
    const { slot, publisher, lineage } = held;
    const place = {
      slot: this.#config.slot.name,
      instance: this.#instance,
      pool: this.#pool,
      observer: this.#observer,
    };
    const beginning = await blameStream(slot, this.#watched(relayWork.lineage, begin(place, held)));
    const { progress } = beginning;
    const control = await blameStream(slot, readControl(this.#pool, this.#config.slot.name));
    const streaming = new Streaming({
      config: this.#paced,
      control,
      pool: this.#pool,
      kafka: this.#kafka,
      standing: this.#standing,
      topics: this.#topics,
      transactionLimits: this.#transactionLimits,
      observer: this.#observer,
      encoder: this.#encoder,
      deadLetterTopic: this.#deadLetterTopic,
      instance: this.#instance,
      capture: slot.capture,
      publication: slot.publication,
      publisher,
      ...beginning,
    });
    const stream = { capture: slot.capture, streaming };
    this.#enter({ state: 'streaming', ...stream });
    const { transactionVersion } = publisher;
    this.#observer.sessionBegun?.({ progress, lineage: lineage.kind, transactionVersion });
    const drain = () => {
      this.#enter({ state: 'draining', ...stream });
      void failpoint('DRAINING');
    };
    signal.addEventListener('abort', drain, { once: true });
    try {
      if (signal.aborted) drain();
      await streaming.run(signal);
    } finally {
      signal.removeEventListener('abort', drain);
      // A session that fails before its first commit must not be followed by another at once, and so on for ever.
      if (streaming.progress !== progress) this.#setbacks.published();
    }
    this.#observer.drained?.({ progress: streaming.progress });
  }

  #waitForPeer(activePid: number | null): void {
    const hasPublished = this.#setbacks.sawPeer(this.#follower.latest);
    this.#observer.peerSeen?.({ activePid, hasPublished });
  }

  /** A standby that cannot read the progress would be late when its turn comes. */
  #reportTail(failure: RelayError | undefined): void {
    if (failure === undefined) this.#observer.tailRecovered?.({});
    else this.#observer.tailFailed?.({ failure });
  }

  #enter(now: Now): void {
    const before = this.#now.state;
    if (!transitions[before].includes(now.state))
      throw new RelayError('INTERNAL', `no way leads from ${before} to ${now.state}`);
    this.#now = now;
    if (now.state !== before) this.#observer.entered?.({ state: now.state, before });
  }

  /** Says how full and how late the relay is; to be called every second. */
  sample(): void {
    const now = this.#now;
    this.#observer.sampled?.({
      state: now.state,
      inFlightBytes: 'capture' in now ? now.capture.inbox.bytes : 0,
      inFlightEvents:
        'streaming' in now ? now.streaming.waitingEvents : 'capture' in now ? now.capture.inbox.events : 0,
      inFlightBytesMax: this.#config.capture.maxInFlightBytes,
      stream: 'streaming' in now ? streamSample(now) : undefined,
      caches: this.#encoder.cacheUse,
    });
    if ('streaming' in now) {
      const { obstacle, isLimited } = now.streaming.pace;
      this.#observer.paced?.({ obstacle, isLimited });
    }
  }
}

function streamSample({ capture, streaming }: Extract<Now, { streaming: Streaming }>): StreamSample {
  const oldestMs = streaming.oldestWaitingMs;
  return {
    progressLsn: streaming.progress.endLsn,
    serverLsn: capture.serverLsn,
    oldestMs: oldestMs === undefined ? 0 : Math.max(0, Date.now() - oldestMs),
    isReadingOn: !capture.inbox.isFull && !streaming.isRepeating,
  };
}

function whereAt(at: Opening<RelaySlot>): Now {
  return at.step === 'standby' ? { state: 'standby' } : { state: at.step, capture: at.slot.capture };
}
