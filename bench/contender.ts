/**
 * Whoever publishes the rows of the outbox table: the relay, or Debezium. Its process lives through the whole run, so that
 * what a compiler made of its code stays; between its turns it is stopped, and holds no connection to a slot.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment, RelayProcess } from '../harness/relay-process.ts';
import { settingsEnv } from '../harness/relay-process.ts';
import { Debezium } from './debezium/debezium.ts';
import type { DebeziumVariant, Demand } from './debezium/settings.ts';
import type { ContenderName } from './report.ts';
import { debeziumTopicOf, jsonTopicOf, topicOf } from './topics.ts';
import type { BenchWorld, RelayVariant } from './world.ts';

const pollMs = 5;
/** For a failure that is not seen: a relay that lost its connection is back in seconds. */
const attachWithinMs = 120_000;

export type Contender = {
  readonly name: ContenderName;
  /** Of its process while it is resumed. */
  readonly pid: number;
  /** The slot that it reads next, or reads. */
  readonly slot: string;
  topicOf(aggregateType: string): string;
  /**
   * Before the rows of its turn are written: its slot exists, and it is stopped.
   * @param demand of Debezium, whose connector is made for each turn; that of a relay is the one it was made for
   */
  prepare(demand?: Demand): Promise<void>;
  /** Resolves when it reads its slot. @param onAttach called again and again until then, before each look */
  resume(onAttach?: () => Promise<void>): Promise<void>;
  /** Resolves when it has read what was written before its turn: a relay keeps its slot while others publish. */
  catchUp(): Promise<void>;
  /** Stops it. What it has published is confirmed, so that its next turn begins behind it. */
  pause(): Promise<void>;
  /** @throws with why it has failed */
  check(): void | Promise<void>;
  /** After a failure, as a crash would: the next turn begins with a new process. */
  reset(): Promise<void>;
  /** Ends it for good, and its slot, which would hold what is written afterwards. */
  end(): Promise<void>;
};

export function contenderOf(world: BenchWorld, name: ContenderName, say: (line: string) => void): Contender {
  switch (name) {
    case 'relay':
      return relayContender(world);
    case 'relay-json': {
      const topics = { TOPICS_ALLOW: jsonTopicOf('*'), TOPICS_TEMPLATE: jsonTopicOf('{aggregatetype}') };
      const variant = { env: settingsEnv({ SLOT: 'outbox_json', RECORDS_FORMAT: 'json', ...topics }) };
      return new RelayContender(world, { name, topicOf: jsonTopicOf, slot: 'outbox_json', variant });
    }
    default:
      return new DebeziumContender(world, name, say);
  }
}

/**
 * A relay that writes Avro: of another checkout, or with other settings.
 * @param slot of its own where it is ended: a relay refuses to begin again with a slot that is gone
 */
export function relayContender(
  world: BenchWorld,
  { env = {}, ...variant }: RelayVariant = {},
  slot = 'outbox_relay',
): Contender {
  const own = { ...settingsEnv({ SLOT: slot }), ...env };
  return new RelayContender(world, { name: 'relay', topicOf, slot, variant: { env: own, ...variant } });
}

type RelaySpec = {
  readonly name: ContenderName;
  readonly slot: string;
  readonly variant: RelayVariant & { readonly env: Environment };
  topicOf(aggregateType: string): string;
};

class RelayContender implements Contender {
  readonly name: ContenderName;
  readonly slot: string;
  readonly topicOf: (aggregateType: string) => string;
  readonly #world: BenchWorld;
  readonly #variant: RelayVariant;
  #relay: RelayProcess | undefined;

  constructor(world: BenchWorld, { name, slot, topicOf: nameOf, variant }: RelaySpec) {
    this.#world = world;
    this.name = name;
    this.slot = slot;
    this.topicOf = nameOf;
    this.#variant = variant;
    world.topicPrefixes.add(nameOf(''));
  }

  get pid(): number {
    return this.#relay!.pid;
  }

  async prepare(): Promise<void> {
    if (this.#relay !== undefined) return;
    await this.resume();
    await this.pause();
  }

  async resume(onAttach: () => Promise<void> = async () => {}): Promise<void> {
    if (this.#relay === undefined || this.#relay.hasEnded) {
      this.#relay = this.#world.startRelay(this.#variant);
      await this.#relay.streaming();
    } else this.#relay.signal('SIGCONT');
    const sinceMs = performance.now();
    while (!(await isRead(this.#world, this.slot, onAttach))) {
      this.check();
      if (performance.now() - sinceMs > attachWithinMs)
        throw new Error(`${this.name} has not read its slot for ${attachWithinMs / 1_000} s`);
      await sleep(pollMs);
    }
  }

  check(): void {
    this.#relay!.assertRunning();
  }

  async catchUp(): Promise<void> {
    await untilConfirmed(this.#world, this.slot, () => this.check());
  }

  /**
   * A process that is stopped keeps its connection for a while, into which Postgres would go on writing; so that is ended,
   * and the next turn begins with a new one, like that of a connector.
   */
  async pause(): Promise<void> {
    await this.catchUp();
    this.#relay!.signal('SIGSTOP');
    await this.#world.endWalsender(this.slot);
  }

  async reset(): Promise<void> {
    await this.#relay?.kill();
    this.#relay = undefined;
    await this.#world.endWalsender(this.slot);
  }

  async end(): Promise<void> {
    await this.#relay?.stop();
    await this.#world.dropSlot(this.slot);
    this.#world.topicPrefixes.delete(this.topicOf(''));
  }
}

class DebeziumContender implements Contender {
  readonly name: DebeziumVariant;
  readonly topicOf: (aggregateType: string) => string;
  readonly #world: BenchWorld;
  readonly #say: (line: string) => void;
  #demand: Demand = {};
  #worker: Debezium | undefined;
  #slot: string | undefined;

  constructor(world: BenchWorld, name: DebeziumVariant, say: (line: string) => void) {
    this.#world = world;
    this.name = name;
    this.#say = say;
    this.topicOf = (aggregateType) => debeziumTopicOf(aggregateType, name);
    world.topicPrefixes.add(this.topicOf(''));
  }

  get pid(): number {
    return this.#worker!.pid;
  }

  get slot(): string {
    return this.#slot!;
  }

  async prepare(demand: Demand = {}): Promise<void> {
    this.#demand = demand;
    if (this.#worker?.isRunning !== true)
      this.#worker = await Debezium.start(this.#world, this.#say, this.name);
    this.#slot ??= await this.#worker.createSlot();
  }

  async resume(onAttach?: () => Promise<void>): Promise<void> {
    await this.#worker!.stream(this.slot, this.#demand, onAttach);
  }

  check(): Promise<void> {
    return this.#worker!.assertStreaming(this.slot);
  }

  /** Its slot is new, and it confirms nothing before its next flush of offsets, a minute later. */
  async catchUp(): Promise<void> {}

  async pause(): Promise<void> {
    await this.#worker!.end(this.slot);
    this.#slot = undefined;
  }

  async reset(): Promise<void> {
    await this.#worker?.kill();
    this.#worker = undefined;
    if (this.#slot !== undefined) await this.#world.dropSlot(this.#slot);
    this.#slot = undefined;
  }

  async end(): Promise<void> {
    await this.reset();
    this.#world.topicPrefixes.delete(this.topicOf(''));
  }
}

async function isRead(world: BenchWorld, slot: string, before: () => Promise<void>): Promise<boolean> {
  await before();
  return world.isSlotActive(slot);
}

/** Resolves when the slot's reader has confirmed what is written now. */
async function untilConfirmed(
  world: BenchWorld,
  slot: string,
  check: () => void | Promise<void>,
): Promise<void> {
  const position = await world.walPosition();
  const sinceMs = performance.now();
  while (!(await world.isConfirmed(slot, position))) {
    await check();
    if (performance.now() - sinceMs > attachWithinMs)
      throw new Error(`${slot} was not confirmed up to ${position} within ${attachWithinMs / 1_000} s`);
    await sleep(pollMs);
  }
}
