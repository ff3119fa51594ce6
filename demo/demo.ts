/** The steps of the demo: start servers, relay, consumer and order service; load; wait for the rest; verdict; stop. */

import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import pg from 'pg';
import { createTopics, kafkaClient, withAdmin } from '../harness/kafka.ts';
import { Random } from '../harness/random.ts';
import type { TopicReader } from '../harness/topic-reader.ts';
import { extendToHighWatermarks } from '../relay/audit/high-watermarks.ts';
import { stableRanges } from '../relay/audit/read-topics.ts';
import { packageRoot } from '../relay/config/package-root.ts';
import { type Config, configSchema } from '../relay/config/schema.ts';
import { RegistryClient } from '../relay/encode/registry/registry-client.ts';
import { abortAfter, abortWith } from '../relay/model/abort.ts';
import { Deferrals } from '../relay/model/builtins.ts';
import { migrate } from '../relay/operations/migrate/migrate.ts';
import { readSchemaFiles } from '../relay/operations/schemas/files.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { DemoConsole } from './console.ts';
import { Evolution } from './evolution.ts';
import { Follower } from './follower.ts';
import { playIncident } from './incident.ts';
import { Oracle } from './oracle.ts';
import { OrderService, writerCount } from './order-service.ts';
import { aggregatetypes } from './payloads.ts';
import { DemoRelay } from './relay.ts';
import { milliseconds, type Summary, summarise } from './summary.ts';
import type { View } from './view.ts';

export type DemoOptions = {
  /** How long the order service writes. */
  readonly seconds: number;
  /** Events a second that it offers. */
  readonly rate: number;
  /** Kill the relay at random instants. */
  readonly crash: boolean;
  /** Leave the servers and the relay running after the verdict, until interrupted. */
  readonly keep: boolean;
  /** Start the web console and a standby, and have a bad deployment after the verdict. Needs `keep`. */
  readonly console: boolean;
  readonly seed: number;
};

/** What `keep` prints. */
export type Addresses = Pick<Stack, 'databaseUrl' | 'brokers' | 'registryUrl'> & {
  readonly relayUrl: string;
  readonly relayLog: string;
  /** With the token to sign in with. */
  readonly consoleUrl: string | undefined;
};

export type Outlet = {
  readonly view: View;
  readonly onSummary: (summary: Summary) => void;
  readonly onKept: (addresses: Addresses) => void;
};

const topics = aggregatetypes.map((aggregatetype) => `outbox.event.${aggregatetype}`);
const partitionCount = 6;
const schemasFolder = path.join(packageRoot, 'schemas');

const tickIntervalMs = 250;
/** When the schema changes: near the middle, so that events of both versions are read. */
const changedAtShare = 0.4;
const lastCount = 3;
/** If nothing arrives for so long, what has not arrived counts as missing. */
const givenUpAfterMs = 60_000;
const endOfTopicsWithinMs = 30_000;

/** The demo starts its own servers: it writes and deletes, which must not happen on a server that a variable names. */
const foreignServers = ['DATABASE_URL', 'KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL'] as const;

/** @returns the summary; when interrupted, of what was done so far. @throws when a server fails to start */
export async function runDemo(
  options: DemoOptions,
  outlet: Outlet,
  interrupted: AbortSignal,
): Promise<Summary> {
  for (const name of foreignServers) {
    if (process.env[name] === undefined) continue;
    outlet.view.note(`ignoring ${name}: the demo starts its own servers`);
    delete process.env[name];
  }
  outlet.view.note(`seed ${options.seed}`);
  const starting = startStack({ purpose: 'demo', onProgress: (line) => outlet.view.note(line) });
  const stack = await Promise.race([starting, whenAborted(interrupted)]);
  if (stack === undefined) {
    // Servers that are half started end with this process; see `stack/run.ts`.
    starting.catch(() => {});
    const summary = nothingDone(options.seed);
    outlet.onSummary(summary);
    return summary;
  }
  await using _ = stack;
  return await new Demo(options, outlet, interrupted, stack).run();
}

function nothingDone(seed: number): Summary {
  return summarise({ verdict: new Oracle().verdict(), latenciesMs: [], elapsedMs: 0, crashes: 0, seed });
}

class Demo {
  readonly #options: DemoOptions;
  readonly #outlet: Outlet;
  readonly #interrupted: AbortSignal;
  readonly #stack: Stack;
  readonly #kafka: Kafka;
  readonly #oracle = new Oracle();
  readonly #config: Config;
  readonly #evolution: Evolution;
  readonly #last: string[] = [];
  #startMs = 0;
  #lastReceiptMs = 0;
  #phase = 'starting';

  constructor(options: DemoOptions, outlet: Outlet, interrupted: AbortSignal, stack: Stack) {
    this.#options = options;
    this.#outlet = outlet;
    this.#interrupted = interrupted;
    this.#stack = stack;
    this.#kafka = kafkaClient(stack.brokers, 'demo');
    this.#config = configSchema.parse({
      database: { url: stack.databaseUrl },
      kafka: { brokers: stack.brokers },
      registry: { url: stack.registryUrl },
      schemas: { directory: schemasFolder },
    });
    this.#evolution = new Evolution(this.#config, (line) => outlet.view.note(line));
  }

  async run(): Promise<Summary> {
    const { view, onSummary } = this.#outlet;
    await using ending = new Deferrals();
    await this.#prepare();
    const { reader } = this.#follower();
    ending.defer(() => reader.stop());
    const relay = await DemoRelay.prepare(this.#stack);
    ending.defer(() => relay.end());
    const beside = this.#options.console ? await DemoConsole.prepare(this.#stack) : undefined;
    ending.defer(async () => beside?.end());
    const bookkeeping = new pg.Pool({ connectionString: this.#stack.databaseUrl, max: 1 });
    bookkeeping.on('error', () => {}); // of the idle connection; its next use reports it
    ending.defer(() => bookkeeping.end());

    let error: string | undefined;
    const stopTicking = this.#tick(relay, bookkeeping);
    try {
      await this.#play(relay, reader, bookkeeping, beside);
    } catch (failure) {
      error = failure instanceof Error ? failure.message : String(failure);
    } finally {
      await stopTicking();
      view.end();
    }
    const summary = this.#summary(relay, error);
    onSummary(summary);
    if (this.#options.keep && error === undefined && !this.#interrupted.aborted)
      await this.#keep(relay, beside);
    else view.note('stopping the servers');
    return summary;
  }

  async #prepare(): Promise<void> {
    const { databaseUrl } = this.#stack;
    const { applied } = await migrate({ databaseUrl });
    this.#outlet.view.note(`applied ${applied.length} migrations`);

    const registry = new RegistryClient(this.#config.registry);
    const files = await readSchemaFiles(this.#config);
    for (const { subject, schemaText } of files) await registry.register(subject, schemaText);
    this.#outlet.view.note(`registered ${files.length} schemas`);

    await createTopics(
      this.#kafka,
      topics.map((topic) => ({ topic, numPartitions: partitionCount })),
    );
    this.#outlet.view.note(`created ${topics.length} topics of ${partitionCount} partitions`);
  }

  #follower(): Follower {
    return new Follower({
      kafka: this.#kafka,
      registryUrl: this.#stack.registryUrl,
      topics,
      onValue: (type, value) => this.#evolution.read(type, value),
      onReceipt: (receipt, type) => {
        this.#lastReceiptMs = receipt.atMs;
        this.#oracle.received(receipt);
        const latencyMs = this.#oracle.latenciesMs.at(-1) ?? 0;
        const name = type.slice(type.lastIndexOf('.') + 1).padEnd(18);
        this.#last.unshift(
          `${name} ${milliseconds(latencyMs).padStart(8)}  key ${JSON.stringify(receipt.key)}`,
        );
        this.#last.length = Math.min(this.#last.length, lastCount);
      },
    });
  }

  async #play(
    relay: DemoRelay,
    consumer: TopicReader,
    bookkeeping: pg.Pool,
    beside: DemoConsole | undefined,
  ): Promise<void> {
    const { view } = this.#outlet;
    view.note('starting the relay and the consumer');
    relay.start();
    await Promise.all([consumer.start(), relay.untilStreaming(this.#interrupted)]);
    if (beside !== undefined) {
      view.note(`the console: ${await beside.start()}`);
      // One that takes over while the first is killed would keep the demo waiting for the first.
      if (!this.#options.crash) beside.startStandby();
    }
    const failed = Promise.race([relay.failed, consumer.failed]);
    failed.catch(() => {}); // until it is raced below
    await this.#load(relay, failed);
    this.#phase = 'waiting for the rest';
    await Promise.race([this.#settle(bookkeeping), failed]);

    // After the last kill, the relay may still have to repeat something.
    await relay.untilStreaming(AbortSignal.timeout(givenUpAfterMs));
    if (!this.#options.keep || this.#interrupted.aborted) {
      this.#phase = 'stopping the relay';
      const how = await relay.stop();
      if (how !== 'exit code 0') throw new Error(`after SIGTERM the relay ended with ${how}`);
    }
    // Late events and duplicates are before these ends.
    this.#phase = 'reading to the end of the topics';
    await consumer.readTo(await this.#topicEnds(), endOfTopicsWithinMs);
    await this.#readDeadLetters(bookkeeping);
  }

  /** Writes, and kills the relay, for as long as asked. */
  async #load(relay: DemoRelay, failed: Promise<never>): Promise<void> {
    const { seconds, rate, seed, crash, keep } = this.#options;
    const { view } = this.#outlet;
    const over = new AbortController();
    const signal = abortAfter(seconds * 1000, abortWith(over, this.#interrupted));
    const { databaseUrl } = this.#stack;
    const service = new OrderService({
      databaseUrl,
      rate,
      seed,
      oracle: this.#oracle,
      keepsEvents: keep,
      written: (payload) => this.#evolution.written(payload),
    });
    this.#startMs = performance.now();
    this.#phase = 'writing';
    const work = Promise.all([
      service.run(signal),
      this.#evolve(seconds * 1000 * changedAtShare, signal),
      crash &&
        relay.killAtRandom(new Random(seed), signal, (pid) => view.note(`killed the relay, pid ${pid}`)),
    ]);
    try {
      await Promise.race([work, failed]);
    } finally {
      over.abort();
      await work.catch(() => {});
    }
  }

  /** Changes the schema in the middle of the load. */
  async #evolve(afterMs: number, signal: AbortSignal): Promise<void> {
    await sleep(afterMs, undefined, { signal }).catch(() => {});
    if (!signal.aborted) await this.#evolution.play(signal);
  }

  /** Waits until everything committed is received or dead-lettered, or nothing more arrives. */
  async #settle(bookkeeping: pg.Pool): Promise<void> {
    let outstanding = this.#oracle.outstanding;
    let movedAtMs = performance.now();
    while (this.#oracle.outstanding > 0 && performance.now() - movedAtMs < givenUpAfterMs) {
      await sleep(tickIntervalMs);
      await this.#readDeadLetters(bookkeeping);
      if (this.#oracle.outstanding === outstanding) continue;
      outstanding = this.#oracle.outstanding;
      movedAtMs = performance.now();
    }
  }

  async #readDeadLetters(bookkeeping: pg.Pool): Promise<void> {
    const { rows } = await bookkeeping.query<{ event_id: string }>('select event_id from outbox.dead_letter');
    this.#oracle.deadLettersAre(rows.map(({ event_id }) => event_id));
  }

  #topicEnds() {
    return withAdmin(this.#kafka, async (admin) =>
      extendToHighWatermarks(this.#kafka, await stableRanges(admin, topics), endOfTopicsWithinMs),
    );
  }

  /** Updates the view until the returned function is called. */
  #tick(relay: DemoRelay, bookkeeping: pg.Pool): () => Promise<void> {
    const over = new AbortController();
    const ticking = async () => {
      while (!over.signal.aborted) {
        await sleep(tickIntervalMs, undefined, { signal: over.signal }).catch(() => {});
        if (this.#startMs === 0) continue;
        // A view without figures is no reason to stop; the verdict reads them again.
        await this.#readDeadLetters(bookkeeping).catch(() => {});
        this.#outlet.view.tick(this.#snapshot(relay));
      }
    };
    const all = Promise.all([ticking(), relay.watch(over.signal)]);
    return async () => {
      over.abort();
      await all;
    };
  }

  #snapshot(relay: DemoRelay) {
    const elapsedMs = performance.now() - this.#startMs;
    const { state, pid, kills } = relay;
    const isWriting = this.#phase === 'writing';
    return {
      elapsedMs,
      phase: isWriting ? `${Math.floor(elapsedMs / 1000)} s of ${this.#options.seconds} s` : this.#phase,
      writers: writerCount,
      relay: { state, pid, kills },
      topics: topics.length,
      outstanding: this.#oracle.outstanding,
      latenciesMs: this.#oracle.latenciesMs,
      last: this.#last,
      ...this.#oracle.counts,
    };
  }

  #summary(relay: DemoRelay, error: string | undefined): Summary {
    return summarise({
      verdict: this.#oracle.verdict(),
      latenciesMs: this.#oracle.latenciesMs,
      elapsedMs: Math.max(0, this.#lastReceiptMs - this.#startMs),
      crashes: relay.kills,
      seed: this.#options.seed,
      evolved: this.#evolution.result,
      ...(error === undefined ? {} : { error }),
    });
  }

  async #keep(relay: DemoRelay, beside: DemoConsole | undefined): Promise<void> {
    const { databaseUrl, brokers, registryUrl } = this.#stack;
    const { url, logFile } = relay;
    this.#outlet.onKept({
      databaseUrl,
      brokers,
      registryUrl,
      relayUrl: url,
      relayLog: logFile,
      consoleUrl: beside?.url,
    });
    const { seed } = this.#options;
    const note = (line: string) => this.#outlet.view.note(line);
    const work =
      beside === undefined
        ? whenAborted(this.#interrupted)
        : playIncident({ databaseUrl, seed, note }, this.#interrupted);
    await Promise.race([work, relay.failed]);
    this.#outlet.view.note('stopping the relay and the servers');
    await relay.stop();
  }
}

/** Resolves when the signal is aborted; keeps the process alive until then, which servers alone do not. */
async function whenAborted(signal: AbortSignal): Promise<undefined> {
  const keepAlive = setInterval(() => {}, 2 ** 30);
  try {
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    return undefined;
  } finally {
    clearInterval(keepAlive);
  }
}
