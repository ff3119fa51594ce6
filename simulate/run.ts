/**
 * One run: an application that writes, two relays of which one streams, a reader, and faults, all from one seed. After the
 * last fault the relays have a bounded time to catch up.
 */
import type { Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import { Random } from '../harness/random.ts';
import { type Config, loadConfig } from '../relay/config/config.ts';
import type { RegisteredSchema, SchemaSource } from '../relay/encode/registry/schemas.ts';
import { asRelayError, RelayError } from '../relay/errors.ts';
import type { Pause } from '../relay/model/control.ts';
import { formatLsn } from '../relay/model/position.ts';
import { componentLogs } from '../relay/observe/component-logs.ts';
import type { Facts } from '../relay/observe/facts.ts';
import { Health } from '../relay/observe/health.ts';
import { createObserver } from '../relay/observe/listeners.ts';
import { createMetrics } from '../relay/observe/metrics.ts';
import type { Listener, RelayObserver } from '../relay/observe/observer.ts';
import { nameStanding } from '../relay/publish/lean/marker-memory.ts';
import { onMarkerFound } from '../relay/publish/lean/markers.ts';
import { transactionalIdOf } from '../relay/publish/transactional-id.ts';
import { Relay } from '../relay/relay.ts';
import { Faults, type Incident } from './faults.ts';
import { badPayload, Observer, readersOf } from './invariants.ts';
import { modelKafka } from './kafka/client.ts';
import { KafkaCluster, usualMarkerMs } from './kafka/cluster.ts';
import { type AskedWeather, drawKafka, type KafkaWeather } from './kafka/weather.ts';
import { Network, type Server } from './network.ts';
import { type ModelReplication, modelCreateSlot, modelPool, modelReplication } from './postgres/client.ts';
import { Database, type DeadLetter, Transaction } from './postgres/database.ts';
import { requestReleases, waitingOf } from './postgres/parking.ts';
import type { OutboxEvent } from './postgres/wal.ts';
import { Machine, Scheduler } from './scheduler.ts';
import { type Invariant, Violation } from './violation.ts';
import { useTime } from './virtual-time.ts';

export type Outcome = {
  readonly seed: number;
  readonly steps: number;
  readonly events: number;
  readonly published: number;
  readonly deadLetters: number;
  readonly virtualMs: number;
  /** From the last fault until everything is published. */
  readonly recoveryMs: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly violation?: { readonly invariant: Invariant | 'error'; readonly message: string };
};

/** How long the application writes and faults happen, ms of virtual time. */
const weatherMs = 5_000;
/**
 * After the last fault: two requests without an answer (1.5 s each), the longest pause between attempts (1 s), a walsender
 * that must notice that its client is gone (3 s, or 8 s if the host is lost), a producer whose transaction is aborted, and
 * some margin.
 */
const catchUpMs = 30_000;
/** After the arrival of the last late request, for its effects. */
const quietMs = 1_500;

/** A statement without an answer on each connection of the pool (1 s, and 5 s that the driver waits longer), and a flush. */
const drainMs = 20_000;

/** Whatever a listener does, the invariants hold. */
const fail = () => {
  throw new Error('of a listener');
};
const failing: Listener = {
  name: 'failing',
  hears: { entered: fail, captured: fail, encoded: fail, committed: fail, acknowledged: fail, retried: fail },
};

/** Added to a seed: what it draws for Kafka depends on nothing else. */
const apart = 2 ** 33;

const eventTopic = 'events.item';
const partitions = 3;
const partEvents = 8;
/** Of every fourth seed. */
const maxTransactionEvents = 16;

const baseConfig = loadConfig({
  env: {
    DATABASE_URL: 'postgres://model.invalid/shop',
    KAFKA_BROKERS: 'model.invalid:9092',
    SCHEMA_REGISTRY_URL: 'http://model.invalid/',
    OUTBOX_RELAY_SLOT: 'simulated',
    OUTBOX_RELAY_TOPICS_TEMPLATE: 'events.{aggregatetype}',
    OUTBOX_RELAY_TOPICS_ALLOW: 'events.*',
    OUTBOX_RELAY_TOPICS_CREATE: 'false',
    OUTBOX_RELAY_OUTBOX_PARTITIONS_DAYS_AHEAD: '0',
    OUTBOX_RELAY_DATABASE_STATEMENT_TIMEOUT_MS: '1000',
    OUTBOX_RELAY_KAFKA_REQUEST_TIMEOUT_MS: '1500',
    OUTBOX_RELAY_KAFKA_TRANSACTION_TIMEOUT_MS: '6000',
    OUTBOX_RELAY_PUBLISH_PART_EVENTS: String(partEvents),
    OUTBOX_RELAY_PUBLISH_BATCH_EVENTS: '6',
    OUTBOX_RELAY_PUBLISH_TRANSACTION_VERSION: 'auto',
    OUTBOX_RELAY_METRICS_BLOCKED_TOPICS_MAX: '0',
    OUTBOX_RELAY_CAPTURE_HEARTBEAT_MS: '1000',
    OUTBOX_RELAY_CAPTURE_WAL_SENDER_TIMEOUT_MS: '3000',
    OUTBOX_RELAY_CAPTURE_WATCHDOG_MS: '4000',
    OUTBOX_RELAY_CAPTURE_STANDBY_POLL_MS: '200',
    OUTBOX_RELAY_DEAD_LETTERS_STORM_PERCENT: '100',
    OUTBOX_RELAY_RETRY_MAX_DELAY_MS: '1000',
  },
}).config;

/** So small that reading stops and resumes many times in a run. No setting would allow it. */
const smallMemoryBytes = 3_000;

const schemaText = JSON.stringify({
  type: 'record',
  name: 'Item',
  fields: [{ name: 'seq', type: 'long' }],
});

const metrics = createMetrics({ process: false });

/** The policies under which nothing stops a relay. */
const livelyPolicies = ['dead-letter', 'dead-letter', 'park-key'] as const;

/** More than the length of any chain of promises between two effects of the relay. */
const turnsToSettle = 40;

/** Lets the promises settle that the last step fulfilled. A turn of the event loop would do the same at ten times the cost. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < turnsToSettle; turn++) await undefined;
}

type RelayProcess = { machine: Machine; ending: AbortController; isDone: boolean };

export type SimulateOptions = AskedWeather & { readonly trace?: (line: string) => void };

export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Outcome> {
  const run = new Run(seed, options);
  const endWatch = onMarkerFound(({ did }) => run.count(`missing marker: ${did}`));
  const outcome = await run.complete();
  endWatch();
  // What still runs of this seed must take neither time nor chance from the next one, or a seed would not repeat its run.
  await new Promise((resolve) => setImmediate(resolve));
  return outcome;
}

class Run {
  readonly #seed: number;
  readonly #random: Random;
  readonly #scheduler = new Scheduler();
  readonly #faults: Faults;
  readonly #network: Network;
  readonly #database: Database;
  readonly #cluster: KafkaCluster;
  readonly #kafka: KafkaWeather;
  readonly #observer: Observer;
  readonly #config: Config;
  /** Applies without a restart. */
  readonly #rules = { ...baseConfig.deadLetters };
  readonly #relays: (RelayProcess | undefined)[] = [undefined, undefined];
  readonly #trace: ((line: string) => void) | undefined;
  #violation: Outcome['violation'];
  #isRegistryAway = false;
  #isLateRegistered = false;
  #isDraining = false;
  #lastFaultMs = 0;
  /** When the last paused relay resumes. */
  #lastPauseMs = 0;
  #recoveryMs = 0;
  #processes = 0;
  #events = 0;
  #walsenders: { machine: Machine; replication: ModelReplication }[] = [];

  constructor(seed: number, { trace, ...asked }: SimulateOptions) {
    this.#seed = seed;
    this.#trace = trace;
    this.#random = new Random(seed);
    const random = this.#random;
    const scheduler = this.#scheduler;
    useTime({ scheduler, random });
    this.#faults = new Faults(random);
    this.#network = new Network(scheduler, random, this.#faults, (who, what) => this.#note(who, what));
    const database = new Database({
      scheduler,
      random,
      nowMs: Date.now,
      note: (what) => this.#note('Postgres', what),
      onConfirmed: (lsn) => this.#guard(() => this.#observer.onConfirmed(lsn)),
      onCommitted: (transaction) => this.#observer.onCommitted(transaction),
    });
    this.#database = database;
    this.#kafka = drawKafka(new Random(seed + apart), asked);
    this.#cluster = new KafkaCluster({
      ...this.#kafka,
      scheduler,
      random,
      count: (what) => this.#faults.count(what),
      onDecided: (entries) => this.#guard(() => this.#observer.onDecided(entries, this.#scheduler.nowMs)),
      onMendBegun: () => this.#failMend(),
    });
    this.#cluster.abortableShare = this.#kafka.abortableShare;
    this.#faults.count(`seeds with transaction version ${this.#kafka.versions}`);
    const { progressTopic } = baseConfig.kafka;
    this.#cluster.createTopic(progressTopic, 1);
    this.#cluster.createTopic(eventTopic, partitions);
    this.#observer = new Observer(
      { slot: baseConfig.slot.name, progressTopic, eventTopic, partEvents },
      database,
    );
    this.#observer.readers = readersOf(this.#cluster, eventTopic);
    this.#config = this.#chooseConfig();
  }

  #chooseConfig(): Config {
    this.#rules.policy = this.#random.pick(livelyPolicies);
    const capture = this.#random.chance(0.3)
      ? { ...baseConfig.capture, maxInFlightBytes: smallMemoryBytes }
      : baseConfig.capture;
    const publish = this.#random.chance(0.25)
      ? { ...baseConfig.publish, maxTransactionEvents }
      : baseConfig.publish;
    return { ...baseConfig, capture, publish, deadLetters: this.#rules };
  }

  count(what: string): void {
    this.#faults.count(what);
  }

  async complete(): Promise<Outcome> {
    this.#start(0);
    this.#scheduler.after(this.#random.between(0, 500), () => this.#start(1));
    this.#write();
    this.#read();
    for (const { what, everyMs } of this.#faults.incidents) this.#schedule(what, everyMs);
    await this.#runUntil(() => this.#scheduler.nowMs >= weatherMs);
    this.#heal();
    const limitMs = Math.max(this.#lastFaultMs, this.#lastPauseMs) + catchUpMs;
    await this.#runUntil(() => this.#observer.hasCaughtUp || this.#scheduler.nowMs > limitMs);
    if (!this.#observer.hasCaughtUp)
      this.#fail(new Violation('I8', `not caught up ${catchUpMs} ms after the last fault`));
    this.#recoveryMs = Math.max(0, this.#scheduler.nowMs - this.#lastFaultMs);
    // The next transaction to a partition ends what Kafka has left open there. Until then its readers wait.
    if (this.#kafka.skippedMarkerShare > 0 && this.#violation === undefined) await this.#writeEverywhere();
    // A release counts as done before Kafka has committed it. That must not wait for a broker until the end of the run.
    await this.#runUntil(() => this.#cluster.brokers.every(({ isUp }) => isUp));
    await this.#releaseAll();
    const endMs = Math.max(this.#scheduler.nowMs, this.#network.lastLateMs, this.#lastPauseMs) + quietMs;
    await this.#runUntil(() => this.#scheduler.nowMs > endMs);
    await this.#runUntil(() => this.#cluster.isSettled);
    this.#guard(() => this.#observer.checkEnd());
    await this.#drain();
    return this.#outcome();
  }

  async #runUntil(isReached: () => boolean): Promise<void> {
    while (this.#violation === undefined && !isReached()) {
      if (this.#scheduler.step()) await settle();
      if (this.#scheduler.isIdle) return;
    }
  }

  /** A person releases whatever waits, until the relay has published all of it but what is refused again. */
  async #releaseAll(): Promise<void> {
    const { keyReleases, parkedKeys } = this.#database;
    const from = keyReleases.size;
    const isRefused = (topic: string, key: string) =>
      [...keyReleases].some(
        ([number, release]) =>
          number > from && release.topic === topic && release.key === key && release.outcome === 'refused',
      );
    for (;;) {
      const left = [...parkedKeys.values()].filter(
        ({ topic, key, releasedLsn }) => releasedLsn === undefined && !isRefused(topic, key),
      );
      if (left.length === 0 || this.#violation !== undefined) return;
      requestReleases(this.#database, this.#config.slot.name, left);
      const limitMs = this.#scheduler.nowMs + catchUpMs;
      const areDone = () => [...keyReleases.values()].every(({ outcome }) => outcome !== undefined);
      await this.#runUntil(() => areDone() || this.#scheduler.nowMs > limitMs);
      if (!areDone()) this.#fail(new Violation('I8', `a release was not done within ${catchUpMs} ms`));
    }
  }

  /** Asks both relays to end, and checks that they do. */
  async #drain(): Promise<void> {
    this.#isDraining = true;
    for (const relay of this.#relays) if (relay !== undefined) this.#end(relay);
    const limitMs = this.#scheduler.nowMs + drainMs;
    const areDone = () => this.#relays.every((relay) => relay === undefined || relay.isDone);
    await this.#runUntil(() => areDone() || this.#scheduler.nowMs > limitMs);
    if (!areDone())
      this.#fail(new Violation('I8', `a relay did not end within ${drainMs} ms of being asked to`));
    // Nothing of this run may continue in the next.
    for (const relay of this.#relays) if (relay !== undefined) relay.machine.isDead = true;
  }

  #outcome(): Outcome {
    const letters = [...this.#database.deadLetters.values()].filter(({ status }) => status === 'open');
    return {
      seed: this.#seed,
      steps: this.#scheduler.steps,
      events: this.#observer.committed,
      published: this.#observer.published,
      deadLetters: letters.length,
      virtualMs: this.#scheduler.nowMs,
      recoveryMs: this.#recoveryMs,
      faults: this.#faults.counts,
      ...(this.#violation === undefined ? {} : { violation: this.#violation }),
    };
  }

  #note(who: string, what: string): void {
    this.#trace?.(`${this.#scheduler.nowMs.toFixed(3).padStart(11)}  ${who.padEnd(10)}  ${what}`);
  }

  #guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#violation !== undefined) return;
    const invariant = error instanceof Violation ? error.invariant : 'error';
    const message = error instanceof Violation ? error.message : String((error as Error).stack ?? error);
    this.#violation = { invariant, message };
    this.#note('observer', `${invariant}: ${message}`);
  }

  // The application.

  #write(): void {
    const { random } = this;
    if (this.#scheduler.nowMs > weatherMs) return;
    if (this.#database.server.isUp) {
      if (random.chance(0.15)) this.#database.writeOther();
      else this.#database.commit(this.#makeEvents());
    }
    // Bursts and pauses.
    const pauseMs = random.chance(0.05) ? random.around(600) : random.around(40);
    this.#scheduler.after(pauseMs, () => this.#write());
  }

  async #writeEverywhere(): Promise<void> {
    const events = Array.from({ length: 4 * partitions }, (_, key) => {
      const seq = ++this.#events;
      const [aggregateid, payload] = [`last${key}`, `{"seq":${seq}}`];
      return { id: `e${seq}`, aggregatetype: 'item', aggregateid, type: 'Item', payload };
    });
    await this.#runUntil(() => this.#database.server.isUp);
    this.#database.commit(events);
    const limitMs = this.#scheduler.nowMs + catchUpMs;
    await this.#runUntil(() => this.#observer.hasCaughtUp || this.#scheduler.nowMs > limitMs);
  }

  get random(): Random {
    return this.#random;
  }

  #makeEvents(): OutboxEvent[] {
    const { random } = this;
    const count = random.chance(0.06) ? random.integer(partEvents, 40) : random.integer(1, 4);
    return Array.from({ length: count }, () => {
      const seq = ++this.#events;
      const isBad = random.chance(0.03);
      return {
        id: `e${seq}`,
        aggregatetype: 'item',
        aggregateid: `k${random.integer(1, 6)}`,
        // The schema of `Late` is registered during the run.
        type: random.chance(0.05) ? 'Late' : 'Item',
        payload: isBad ? badPayload : `{"seq":${seq}}`,
      };
    });
  }

  #read(): void {
    this.#guard(() => {
      for (const reader of this.#observer.readers) reader.read();
    });
    this.#scheduler.after(this.#random.around(this.#faults.isOver ? 100 : 15), () => this.#read());
  }

  // The relays.

  #start(index: number): void {
    if (this.#relays[index] !== undefined || this.#isDraining) return;
    const machine = new Machine(`relay ${'AB'[index]}${++this.#processes}`);
    const ending = new AbortController();
    const process: RelayProcess = { machine, ending, isDone: false };
    this.#relays[index] = process;
    this.#note(machine.name, 'starts');
    this.#scheduler.after(
      0,
      () => {
        const log = this.#logger(machine);
        const relay = new Relay({
          config: this.#config,
          instance: machine.name,
          log,
          observer: this.#watch(log, machine),
          registry: this.#registry(machine),
          connections: this.#connections(machine),
        });
        relay.run(ending.signal).then(
          () => this.#ended(index, process),
          (error: unknown) => this.#stopped(machine, error),
        );
      },
      machine,
    );
  }

  #end({ machine, ending }: RelayProcess): void {
    this.#scheduler.after(0, () => ending.abort(), machine);
  }

  #ended(index: number, process: RelayProcess): void {
    process.isDone = true;
    if (process.machine.isDead || this.#isDraining) return;
    this.#note(process.machine.name, 'ended when asked to');
    this.#relays[index] = undefined;
    this.#scheduler.after(this.#random.around(500), () => this.#start(index));
  }

  /** Nothing that happens in a run is a reason to stop. */
  #stopped(machine: Machine, error: unknown): void {
    if (machine.isDead) return;
    const { code, message, cause } = asRelayError(error);
    const why = cause instanceof Error && code === 'INTERNAL' ? `\n${cause.stack}` : '';
    this.#fail(
      new Violation('I8', `${machine.name} stopped itself without a reason: ${code} ${message}${why}`),
    );
  }

  #connections(machine: Machine) {
    const network = this.#network;
    const postgres = {
      network,
      machine,
      database: this.#database,
      statementTimeoutMs: this.#config.database.statementTimeoutMs,
      walSenderTimeoutMs: this.#config.capture.walSenderTimeoutMs,
    };
    return {
      pool: () => modelPool(postgres),
      replication: modelReplication(postgres, (replication) =>
        this.#walsenders.push({ machine, replication }),
      ),
      createSlot: ({ slot: { name } }: Config) => modelCreateSlot(postgres, name),
      kafka: () => {
        const kafka = modelKafka({
          network,
          machine,
          cluster: this.#cluster,
          requestTimeoutMs: this.#config.kafka.requestTimeoutMs,
        });
        this.#nameStanding(machine, kafka);
        return kafka;
      },
    };
  }

  /** In place of the duty: every open transaction at once, also one that only waits for its end. */
  #nameStanding(machine: Machine, kafka: Kafka): void {
    const { share, everyMs } = this.#kafka.standingNamed;
    if (share === 0) return;
    const name = () => {
      const all = [baseConfig.kafka.progressTopic, eventTopic].flatMap(
        (topic) => this.#cluster.partitions(topic) ?? [],
      );
      const standing = all.filter(({ firstOpen }) => firstOpen !== undefined && this.#random.chance(share));
      nameStanding(kafka, transactionalIdOf(baseConfig), standing);
      this.#scheduler.after(this.#random.around(everyMs), name, machine);
    };
    this.#scheduler.after(everyMs, name, machine);
  }

  #registry(machine: Machine): SchemaSource {
    return {
      version: () =>
        Promise.reject(new RelayError('INTERNAL', 'no schema of the simulation refers to another')),
      latest: (subject) =>
        new Promise<RegisteredSchema | undefined>((resolve, reject) => {
          this.#scheduler.after(
            this.#faults.latencyMs() * 2,
            () => {
              if (this.#isRegistryAway)
                reject(new RelayError('REGISTRY_UNAVAILABLE', 'the registry is down'));
              else if (subject.includes('Late') && !this.#isLateRegistered) resolve(undefined);
              else resolve({ id: 1, schemaText, references: [] });
            },
            machine,
          );
        }),
    };
  }

  #watch(log: Logger, machine: Machine): RelayObserver {
    const health = new Health({ notReadyAfterMs: 30_000 });
    const expired = ({ isSplitting }: Facts['expired']) => {
      if (isSplitting) this.#observer.noteSplitting();
    };
    const split = ({ commitLsn, reason }: Facts['split']) => {
      this.#faults.count(`transaction split: ${reason}`);
      this.#observer.noteSplit(commitLsn);
    };
    const controlled = ({ control }: Facts['controlled']) => {
      if (!machine.isDead) this.#observer.onControlled(machine.name, control, this.#scheduler.nowMs);
    };
    return createObserver({ logs: componentLogs(log), metrics, health }, [
      { name: 'simulation', hears: { expired, split, controlled } },
      failing,
    ]);
  }

  #logger(machine: Machine): Logger {
    const write = (details: Readonly<Record<string, unknown>>, message = '') => {
      const { err } = details as { err?: RelayError };
      if (this.#trace === undefined) return;
      this.#note(machine.name, `· ${message}${err === undefined ? '' : `: ${err.code} ${err.message}`}`);
    };
    const log = {
      info: (details: unknown, message?: string) =>
        typeof details === 'string' ? write({}, details) : write(details as Record<string, unknown>, message),
      warn: write,
      error: write,
      fatal: write,
      debug: () => {},
      trace: () => {},
      child: () => log,
    };
    return log as unknown as Logger;
  }

  // The faults.

  #schedule(what: Incident, everyMs: number): void {
    this.#scheduler.after(this.#random.around(everyMs), () => {
      if (this.#scheduler.nowMs >= weatherMs) return;
      this.#happen(what);
      this.#schedule(what, everyMs);
    });
  }

  #happen(what: Incident): void {
    const happened = this.#incident(what);
    if (!happened) return;
    this.#faults.count(what);
    this.#note('fault', what);
  }

  /** @returns false if it cannot happen now */
  #incident(what: Incident): boolean {
    const random = this.#random;
    switch (what) {
      case 'relay killed':
        return this.#kill(false);
      case 'relay and its host killed':
        return this.#kill(true);
      case 'relay paused':
        return this.#pause();
      case 'relay asked to stop':
        return this.#withRelay((relay) => this.#end(relay));
      case 'Postgres crashed':
        if (!this.#database.server.isUp) return false;
        this.#network.stop(this.#database.server, random.around(800));
        this.#database.crash();
        return true;
      case 'walsender terminated': {
        const streaming = this.#walsenders.filter(({ machine }) => !machine.isDead);
        streaming.at(-1)?.replication.terminate('terminating connection due to administrator command');
        return streaming.length > 0;
      }
      case 'broker restarted': {
        const broker = random.pick(this.#cluster.brokers);
        if (!broker.isUp) return false;
        this.#restart(broker);
        return true;
      }
      case 'broker restarted during EndTxn': {
        const broker = random.pick(this.#cluster.brokers);
        this.#cluster.stopAtNextEnd(() => this.#restart(broker));
        return true;
      }
      case 'coordinator moved':
        return this.#cluster.moveCoordinator();
      case 'coordinator moved during EndTxn':
        this.#cluster.moveAtNextEnd();
        return true;
      case 'transaction version changed':
        return this.#changeTransactionVersion();
      case 'registry unavailable':
        this.#isRegistryAway = true;
        this.#scheduler.after(random.around(1_000), () => {
          this.#isRegistryAway = false;
        });
        return true;
      case 'transaction markers slow':
        this.#cluster.markerMs = random.pick([5, 50, 400]);
        this.#scheduler.after(random.around(1_000), () => {
          this.#cluster.markerMs = usualMarkerMs;
        });
        return true;
      case 'checkpoint':
        this.#database.checkpoint();
        return true;
      case 'paused by a person':
        return this.#pauseTopic(null, 'hold');
      case 'topic held by a person':
        return this.#pauseTopic(eventTopic, 'hold');
      case 'topic set aside by a person':
        return this.#pauseTopic(eventTopic, 'set-aside');
      case 'resumed by a person':
        return this.#resume();
      case 'dead letter fixed by a person':
        return this.#withLetter('fix');
      case 'dead letter discarded by a person':
        return this.#withLetter('discard');
      case 'key released by a person':
        return this.#releaseKey();
      case 'policy changed':
        this.#rules.policy = random.pick(livelyPolicies);
        return true;
      case 'rate limit changed':
        this.#database.tell({ eventsPerSecond: random.pick([0, 5, 40, 200]) });
        return true;
      case 'schema registered':
        if (this.#isLateRegistered) return false;
        this.#isLateRegistered = true;
        return true;
    }
  }

  #restart(broker: Server): void {
    if (broker.isUp && !this.#faults.isOver)
      this.#network.stop(broker, this.#random.around(600), () => this.#lead(broker));
  }

  /** The controller makes a broker that has come back a leader some time after it accepts connections. */
  #lead(broker: Server): void {
    if (this.#kafka.skippedMarkerShare === 0) return;
    const all = [baseConfig.kafka.progressTopic, eventTopic].flatMap(
      (topic) => this.#cluster.partitions(topic) ?? [],
    );
    const led = all.filter(({ leader }) => leader === broker);
    for (const partition of led) partition.isFenced = true;
    this.#scheduler.after(this.#random.around(150), () => {
      for (const partition of led) partition.isFenced = false;
    });
  }

  /** Of the two requests that write a marker after the fact, the coordinator has done the first. */
  #failMend(): void {
    const random = this.#random;
    const { mendFaultShare } = this.#kafka;
    if (this.#faults.isOver || mendFaultShare === 0 || !random.chance(mendFaultShare)) return;
    const isMoved = random.chance(0.8) && this.#cluster.moveCoordinator();
    const isKilled = random.chance(0.7) && this.#kill(random.chance(0.3));
    const what = [...(isMoved ? ['coordinator moved'] : []), ...(isKilled ? ['relay killed'] : [])];
    if (what.length === 0) return;
    this.#faults.count(`${what.join(' and ')} while a marker was written`);
    this.#note('fault', `${what.join(' and ')} while a marker is written`);
  }

  #changeTransactionVersion(): boolean {
    if (this.#kafka.versions !== 'moving') return false;
    const { transactionVersion } = this.#cluster.supported;
    this.#cluster.transactionVersion = transactionVersion === 2 ? this.#kafka.lowLevel : 2;
    return true;
  }

  /** What a downgrade to level 0 has blocked, people unblock: they raise the level and restart the coordinator. */
  #endDowngrade(): void {
    if (this.#kafka.versions !== 'moving' || this.#kafka.lowLevel !== 0) return;
    const { coordinator, supported } = this.#cluster;
    if (supported.transactionVersion === 0) this.#cluster.transactionVersion = 1;
    coordinator.moveTo(coordinator.server);
  }

  /** What was set aside is released by the relay. */
  #resume(eventsPerSecond = this.#database.control.limits.eventsPerSecond): boolean {
    const { pauses } = this.#database.control;
    if (pauses.every(({ isReleasing }) => isReleasing) && !this.#faults.isOver) return false;
    const aside = pauses.filter(({ mode }) => mode === 'set-aside');
    for (const { topic, isReleasing } of aside)
      if (!isReleasing && topic !== null)
        this.#database.resumedAfter.set(topic, this.#database.keyReleases.size);
    this.#database.tell({ pauses: aside.map((pause) => ({ ...pause, isReleasing: true })), eventsPerSecond });
    return true;
  }

  #pauseTopic(topic: string | null, mode: Pause['mode']): boolean {
    const before = this.#database.control.pauses;
    const isSame = (pause: Pause) => pause.topic === topic && pause.mode === mode;
    if (before.some((pause) => isSame(pause) && !pause.isReleasing)) return false;
    const pauses = before.filter((pause) => !isSame(pause));
    const since = new Date(Date.now()).toISOString();
    const pause = { topic, mode, person: 'ada', reason: 'test', since, until: null };
    this.#database.tell({ pauses: [...pauses, { ...pause, isOver: false, isReleasing: false }] });
    return true;
  }

  /** A person sees only what is committed: not what a session is in the middle of. */
  #byPerson(act: () => void): boolean {
    if (!this.#database.server.isUp) return false;
    const { locks } = this.#database;
    const person = {};
    locks.take('progress', person, 'exclusive', () => {
      act();
      locks.release(person);
    });
    return true;
  }

  /** The commands leave a key alone that is being released, and what a session may still decide again. */
  #withLetter(did: 'fix' | 'discard'): boolean {
    const isMine = (letter: DeadLetter) =>
      letter.status === 'open' &&
      this.#observer.isSettled(letter) &&
      waitingOf(this.#database, letter.topic, letter.row.aggregateid).includes(letter) &&
      !this.#isBeingReleased(letter.row.aggregateid);
    const mine = () => [...this.#database.deadLetters.values()].filter(isMine);
    if (mine().length === 0) return false;
    return this.#byPerson(() => {
      const letter = mine()[0];
      if (letter === undefined) return;
      const payload = `{"seq":${letter.id.slice(1)}}`;
      const after =
        did === 'fix' ? { ...letter, row: { ...letter.row, payload } } : { ...letter, status: 'discarded' };
      // What has no schema yet is not repaired by its payload.
      if (did === 'discard' || letter.row.type === 'Item') this.#observer.onPerson(did, letter);
      const name = this.#database.key(formatLsn(letter.commitLsn), letter.ordinal);
      this.#database.setLetter(name, after, new Transaction());
    });
  }

  #isBeingReleased(key: string): boolean {
    return [...this.#database.keyReleases.values()].some(
      (release) => release.key === key && release.outcome === undefined,
    );
  }

  #releaseKey(): boolean {
    const parked = () =>
      [...this.#database.parkedKeys.values()].filter(
        ({ key, releasedLsn }) => releasedLsn === undefined && !this.#isBeingReleased(key),
      );
    if (parked().length === 0) return false;
    return this.#byPerson(() => {
      const [key] = parked();
      if (key !== undefined) requestReleases(this.#database, this.#config.slot.name, [key]);
    });
  }

  #withRelay(act: (relay: RelayProcess, index: number) => void): boolean {
    const index = this.#random.integer(0, 1);
    const relay = this.#relays[index];
    if (relay === undefined || relay.machine.isPaused) return false;
    act(relay, index);
    return true;
  }

  #kill(withHost: boolean): boolean {
    return this.#withRelay(({ machine }, index) => {
      this.#network.kill(machine, [this.#database.server, ...this.#cluster.brokers], withHost);
      this.#relays[index] = undefined;
      this.#note(machine.name, 'is killed');
      this.#scheduler.after(this.#random.around(1_000), () => this.#start(index));
    });
  }

  /** Like SIGSTOP, or a virtual machine that migrates: the relay resumes and does not notice. */
  #pause(): boolean {
    return this.#withRelay(({ machine }) => {
      machine.isPaused = true;
      this.#note(machine.name, 'is paused');
      const endMs =
        this.#scheduler.nowMs + this.#random.pick([300, 2_500, 5_000]) * this.#random.between(0.5, 2);
      this.#lastPauseMs = Math.max(this.#lastPauseMs, endMs);
      this.#scheduler.at(endMs, () => {
        this.#note(machine.name, 'resumes');
        this.#scheduler.resume(machine);
      });
    });
  }

  #heal(): void {
    this.#note('fault', 'no more faults from here on');
    this.#faults.isOver = true;
    this.#isRegistryAway = false;
    this.#resume(0);
    this.#cluster.markerMs = usualMarkerMs;
    this.#cluster.abortableShare = 0;
    this.#endDowngrade();
    this.#lastFaultMs = Math.max(this.#lastFaultMs, this.#scheduler.nowMs);
    for (const index of [0, 1]) this.#start(index);
  }
}
