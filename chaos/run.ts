/**
 * A run: a sequence of worlds, and in each a handful of faults, each followed by a comparison of everything. The seed
 * decides which faults are injected, in which order and in which pairs; the exact instants depend on the machine.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../harness/random.ts';
import { endOf } from '../harness/wait.ts';
import { cacheFolder } from '../stack/cache.ts';
import { type AuditTotals, noTotals } from './audit.ts';
import type { Arena, Fault, Producer, TransactionVersion } from './fault.ts';
import { noteCalmRestart, stretched, waitFor } from './machine.ts';
import type { Breach } from './oracle.ts';
import { type Servers, startServers } from './servers.ts';
import { describeStanding } from './standing.ts';
import { readDeadLetters, readEvents, World } from './world.ts';

export type Outcome = {
  /** One, or two at the same time; `class: name`. */
  readonly faults: readonly string[];
  /** From the end of the fault until everything was published; null where that was not expected or did not happen. */
  readonly recoveredMs: number | null;
  readonly haltedWith: string | null;
  readonly breaches: readonly Breach[];
  /** Relays that ended unexpectedly. */
  readonly crashes: readonly string[];
  readonly tookMs: number;
  /** Log lines of the relays of that world. */
  readonly logFile: string;
};

export type RunResult = {
  readonly seed: number;
  readonly outcomes: readonly Outcome[];
  /** From a kill to caught up, with no other fault, on this machine; time limits are stretched when it is slow. */
  readonly calmMs: number;
  readonly events: number;
  /** `publish.producer` of its relays. */
  readonly producer: Producer;
  /** `publish.transactionVersion` of its relays. */
  readonly transactionVersion: TransactionVersion;
  /** Where the audit ran beside the faults. */
  readonly audit?: AuditTotals;
};

export type RunOptions = {
  readonly faults: readonly Fault[];
  readonly seed: number;
  /** `publish.producer` of every relay; the default one where absent. */
  readonly producer?: Producer;
  /** `publish.transactionVersion` of every relay; version 1 where absent. */
  readonly transactionVersion?: TransactionVersion;
  /** How long to run; without it, each fault is injected once, and none in pairs. */
  readonly minutes?: number;
  /** Run the standing audit beside the faults. */
  readonly audits?: boolean;
  readonly signal?: AbortSignal;
  readonly onOutcome?: (outcome: Outcome, count: number) => void;
  readonly onProgress?: (what: string) => void;
};

export const nameOf = (fault: Fault): string => `${fault.class}: ${fault.name}`;

/** I8. */
const recoverWithinMs = 10_000;
/** The longest fault takes a minute and a half on a busy machine. One that waits for what never comes must not hold up the run. */
const faultWithinMs = 300_000;
/** How long a stalled relay is watched before the run gives up. */
const giveUpAfterMs = 60_000;
const haltWithinMs = 20_000;
/** A run of the audit in which the progress does not move is held back after 5 s; the next one has it. */
const resolvedWithinMs = 30_000;
/** Catching up may take long on a busy machine, so this counts from the last event that arrived. */
const settleWithinMs = 20_000;
/** A world's table is read whole after each fault, so its size must be bounded. */
const faultsPerWorld = 8;

export async function runChaos(options: RunOptions): Promise<RunResult> {
  options.onProgress?.('starting Postgres, three Kafka brokers and a schema registry');
  await using servers = await startServers();
  const run = new Run(options, servers);
  return await run.run();
}

class Run {
  readonly #options: RunOptions;
  readonly #servers: Servers;
  readonly #random: Random;
  readonly #outcomes: Outcome[] = [];
  #world: World | undefined;
  #used = 0;
  #worlds = 0;
  #events = 0;
  #calmMs = 0;
  #logFile = '';
  readonly #audit: AuditTotals | undefined;

  constructor(options: RunOptions, servers: Servers) {
    this.#options = options;
    this.#servers = servers;
    this.#random = new Random(options.seed);
    this.#audit = options.audits === true ? noTotals() : undefined;
  }

  async run(): Promise<RunResult> {
    const { seed, minutes, signal } = this.#options;
    const endMs = performance.now() + (minutes ?? 0) * 60_000;
    const isOver = () => signal?.aborted === true || (minutes !== undefined && performance.now() > endMs);
    try {
      await this.#measureCalm();
      do {
        for (const faults of this.#round(minutes !== undefined)) {
          if (isOver()) break;
          await this.#inject(faults);
        }
      } while (minutes !== undefined && !isOver());
    } finally {
      await this.#leaveWorld();
    }
    return {
      seed,
      outcomes: this.#outcomes,
      calmMs: this.#calmMs,
      events: this.#events,
      producer: this.#producer,
      transactionVersion: this.#transactionVersion,
      ...(this.#audit === undefined ? {} : { audit: this.#audit }),
    };
  }

  /** Each fault once, in random order, with a few pairs in between. */
  #round(withPairs: boolean): (readonly Fault[])[] {
    const shuffled = this.#random.shuffled(this.#options.faults);
    const pairable = shuffled.filter(isPairable);
    const pairs = withPairs ? Math.ceil(shuffled.length / 6) : 0;
    const chosen: (readonly Fault[])[] = shuffled.map((fault) => [fault]);
    for (let n = 0; n < pairs && pairable.length > 1; n++) {
      const one = this.#random.pick(pairable);
      const others = pairable.filter((fault) => fault.class !== one.class);
      if (others.length > 0)
        chosen.splice(this.#random.integer(0, chosen.length), 0, [one, this.#random.pick(others)]);
    }
    return chosen;
  }

  get #producer(): Producer {
    return this.#options.producer ?? 'lean';
  }

  get #transactionVersion(): TransactionVersion {
    return this.#options.transactionVersion ?? '1';
  }

  /** How long a restart takes on this machine when nothing else is broken. */
  async #measureCalm(): Promise<void> {
    const { recoveredMs } = await this.#inject([calmRestart]);
    this.#calmMs = recoveredMs ?? 0;
    noteCalmRestart(this.#calmMs);
  }

  async #enterWorld(faults: readonly Fault[]): Promise<World> {
    const own = faults.find(({ world, firstRelay }) => world !== undefined || firstRelay !== undefined);
    if (own !== undefined || this.#used >= faultsPerWorld) await this.#leaveWorld();
    this.#used += 1;
    if (this.#world !== undefined) return this.#world;
    const folder = path.join(cacheFolder(), 'chaos');
    mkdirSync(folder, { recursive: true });
    this.#worlds += 1;
    this.#logFile = path.join(folder, `${this.#options.seed}-${this.#worlds}.log`);
    this.#world = await World.open({
      servers: this.#servers,
      seed: this.#options.seed + this.#worlds,
      logFile: this.#logFile,
      ...(this.#audit === undefined ? {} : { audit: this.#audit }),
      settings: {
        PUBLISH_PRODUCER: this.#producer,
        PUBLISH_TRANSACTION_VERSION: this.#transactionVersion,
        ...own?.world,
      },
      ...(own?.firstRelay === undefined ? {} : { firstRelay: own.firstRelay }),
    });
    return this.#world;
  }

  async #leaveWorld(): Promise<void> {
    this.#servers.calm();
    const world = this.#world;
    this.#world = undefined;
    this.#used = 0;
    this.#events += world?.arena.oracle.seen ?? 0;
    await this.#servers.home();
    await world?.[Symbol.asyncDispose]();
  }

  async #inject(faults: readonly Fault[]): Promise<Outcome> {
    const beganMs = performance.now();
    const trial = new Trial(faults);
    try {
      const { arena } = await this.#enterWorld(faults);
      await trial.run(arena);
      trial.add(this.#world?.takeAuditBreaches() ?? []);
    } catch (error) {
      trial.failed(error);
    }
    if (trial.result.breaches.length > 0 && this.#world !== undefined) {
      const { topic, progressTopic } = this.#world.arena;
      trial.explain(await describeStanding(this.#servers.kafka, [topic, progressTopic]));
    }
    const outcome: Outcome = {
      faults: faults.map(nameOf),
      ...trial.result,
      tookMs: performance.now() - beganMs,
      logFile: this.#logFile,
    };
    this.#outcomes.push(outcome);
    this.#options.onOutcome?.(outcome, this.#outcomes.length);
    const isUsedUp =
      outcome.breaches.length > 0 ||
      faults.some(({ world, firstRelay, expect }) => world ?? firstRelay ?? expect !== 'recovers');
    if (isUsedUp) await this.#leaveWorld();
    return outcome;
  }
}

const calmRestart: Fault = {
  name: 'killed, to measure the machine',
  class: 'relay',
  about: 'SIGKILL, then a restart',
  expect: 'recovers',
  inject: async ({ relays }) => void (await relays.replace({})),
};

function isPairable({ expect, world, firstRelay, isAlone }: Fault): boolean {
  return expect === 'recovers' && world === undefined && firstRelay === undefined && isAlone !== true;
}

/** One injection and its verdict. */
class Trial {
  readonly #faults: readonly Fault[];
  #breaches: Breach[] = [];
  #crashes: readonly string[] = [];
  #recoveredMs: number | null = null;
  #haltedWith: string | null = null;

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  get result(): Pick<Outcome, 'recoveredMs' | 'haltedWith' | 'breaches' | 'crashes'> {
    return {
      recoveredMs: this.#recoveredMs,
      haltedWith: this.#haltedWith,
      breaches: this.#breaches,
      crashes: this.#crashes,
    };
  }

  /** The fault could not be injected, which counts as a stall. */
  failed(error: unknown): void {
    this.#broke(error instanceof Error ? error.message : String(error));
  }

  add(breaches: readonly Breach[]): void {
    this.#breaches.push(...breaches);
  }

  /** What Kafka says about it. */
  explain(what: string): void {
    this.#breaches = this.#breaches.map(({ invariant, detail }) => ({
      invariant,
      detail: `${detail} [Kafka: ${what}]`,
    }));
  }

  async run(arena: Arena): Promise<void> {
    const { relays } = arena;
    const crashesBefore = relays.crashes.length;
    await Promise.all(
      this.#faults.map((fault) =>
        endOf(fault.inject(arena), `the end of the fault \`${fault.name}\``, stretched(faultWithinMs)),
      ),
    );
    const expected = this.#faults.find(({ expect }) => expect !== 'recovers');
    if (expected === undefined) await this.#recover(arena);
    else await this.#halt(arena, expected);
    this.#crashes = relays.crashes.slice(crashesBefore);
  }

  async #recover(arena: Arena): Promise<void> {
    const { relays } = arena;
    const beganMs = performance.now();
    const within = Math.min(...this.#faults.map(({ withinMs = recoverWithinMs }) => withinMs));
    const limitMs = stretched(within);
    await arena.untilCaughtUp(Math.max(giveUpAfterMs, within + 1_000)).catch((error: unknown) => {
      if (relays.halted === undefined) throw error;
    });
    const ms = performance.now() - beganMs;
    if (relays.halted !== undefined) {
      this.#haltedWith = relays.halted.code;
      this.#broke(`halted with ${relays.halted.code}`);
      await this.#compare(arena, false);
      return;
    }
    this.#recoveredMs = ms;
    if (ms > limitMs) this.#broke(`caught up after ${Math.round(ms)} ms, limit ${Math.round(limitMs)} ms`);
    await this.#compare(arena, true);
    await arena.untilResolved(resolvedWithinMs).catch(({ message }: Error) => {
      this.#breaches.push({ invariant: 'I12', detail: message });
    });
  }

  async #halt(arena: Arena, fault: Fault): Promise<void> {
    const { relays } = arena;
    const codes: readonly string[] = fault.expect === 'recovers' ? [] : fault.expect.haltsWith;
    await waitFor(() => relays.halted !== undefined, 'the relay to halt', haltWithinMs).catch(() => {});
    this.#haltedWith = relays.halted?.code ?? null;
    if (!codes.includes(this.#haltedWith ?? ''))
      this.#broke(
        this.#haltedWith === null
          ? `did not halt with ${codes.join(' or ')}`
          : `halted with ${this.#haltedWith} instead of ${codes.join(' or ')}`,
      );
    await this.#compare(arena, false);
    if (fault.repair === undefined || relays.halted === undefined) return;
    await endOf(
      fault.repair(arena),
      `the repair after the fault \`${fault.name}\``,
      stretched(faultWithinMs),
    );
    relays.resume();
    await this.#recover(arena);
  }

  /** Pauses the writers, lets the consumer reach the end, and compares. */
  async #compare(arena: Arena, isComplete: boolean): Promise<void> {
    const { oracle, load } = arena;
    await load.pause();
    try {
      const rows = await readEvents(arena);
      const isSettled = async () => {
        if (isComplete) oracle.foundDeadLetters(await readDeadLetters(arena));
        // Both at one instant: the events of a transaction may be read before its progress.
        return oracle.isProgressSeen && (!isComplete || rows.every(({ id }) => oracle.isSettled(id)));
      };
      await this.#settle(isSettled, () => oracle.seen);
      const letters = await readDeadLetters(arena);
      const mayDeadLetter = this.#faults.some((fault) => fault.mayDeadLetter === true);
      oracle.check({ rows, letters, isComplete, mayDeadLetter });
    } finally {
      load.resume();
    }
    this.#breaches.push(...oracle.takeBreaches());
  }

  async #settle(isSettled: () => Promise<boolean>, seen: () => number): Promise<void> {
    let before = seen();
    let deadlineMs = performance.now() + stretched(settleWithinMs);
    while (performance.now() < deadlineMs) {
      if (await isSettled().catch(() => false)) return;
      if (seen() > before) deadlineMs = performance.now() + stretched(settleWithinMs);
      before = seen();
      await delay(20);
    }
  }

  #broke(detail: string): void {
    this.#breaches.push({ invariant: 'I8', detail });
  }
}
