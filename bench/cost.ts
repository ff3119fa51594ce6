/**
 * The whole cost of an event: CPU of the contender's own process, of the walsender that feeds it and of the broker that
 * takes its records, over the same interval. No reader runs then: what is published is read back afterwards.
 */
import { serverSource } from '../stack/fetch.ts';
import { cpuMs } from './machine.ts';
import type { BenchWorld } from './world.ts';

/** µs of CPU, user and system, per event. A part is null where no process of this machine can be told for it. */
export type Cost = {
  readonly own: number | null;
  readonly walsender: number | null;
  readonly broker: number | null;
  /** The sum; null where a part is. */
  readonly whole: number | null;
};

export const micros = (ms: number, events: number): number => Math.round((ms * 10_000) / events) / 10;

export function costOf(
  parts: Readonly<Record<'own' | 'walsender' | 'broker', number | null>>,
  events: number,
): Cost {
  const each = (ms: number | null) => (ms === null ? null : micros(ms, events));
  const { own, walsender, broker } = parts;
  const isWhole = own !== null && walsender !== null && broker !== null;
  return {
    own: each(own),
    walsender: each(walsender),
    broker: each(broker),
    whole: isWhole ? each(own + walsender + broker) : null,
  };
}

/** What processes took since they were first seen, or since they began where they came later. */
export class CpuMeter {
  readonly #before = new Map<number, number>();
  readonly #now = new Map<number, number>();

  /** Of these processes only what comes from now on counts. May be called again, to begin later. */
  async begin(pids: readonly number[]): Promise<void> {
    for (const pid of pids) this.#before.set(pid, await cpuMs(pid));
  }

  /** One that has ended keeps what it had when it was last seen. */
  async sample(pids: readonly number[]): Promise<void> {
    for (const pid of pids) {
      const ms = await cpuMs(pid).catch(() => undefined);
      if (ms !== undefined) this.#now.set(pid, ms);
    }
  }

  get ms(): number {
    return [...this.#now].reduce((sum, [pid, ms]) => sum + ms - (this.#before.get(pid) ?? 0), 0);
  }
}

export type Measured = { readonly pid: number | null; readonly slot: string | null };

/** Measures the three at once. */
export class CostMeter {
  readonly #world: BenchWorld;
  readonly #measured: Measured;
  readonly #brokers: readonly number[] | null;
  readonly #own = new CpuMeter();
  readonly #walsender = new CpuMeter();
  readonly #broker = new CpuMeter();

  static async of(world: BenchWorld, measured: Measured): Promise<CostMeter> {
    const { postgres, kafka } = world.stack;
    // Of containers only the client of their engine is a process that we know.
    const isOurs = postgres !== undefined && (await serverSource()).kind === 'jars';
    const brokers = isOurs && kafka !== undefined ? kafka.nodes.map(({ pid }) => pid) : null;
    return new CostMeter(world, measured, brokers);
  }

  private constructor(world: BenchWorld, measured: Measured, brokers: readonly number[] | null) {
    this.#world = world;
    this.#measured = measured;
    this.#brokers = brokers;
  }

  /**
   * Begins, again where it has begun: to be called until the slot is read, so that neither the start of a connector counts
   * nor an event is missed. A walsender counts from its own beginning, since it is started for each measurement.
   */
  async begin(): Promise<void> {
    const { pid } = this.#measured;
    await this.#own.begin(pid === null ? [] : [pid]);
    await this.#broker.begin(this.#brokers ?? []);
  }

  /** To be called again and again: what is taken after the last call does not count. */
  async sample(): Promise<void> {
    const { pid, slot } = this.#measured;
    if (pid !== null) await this.#own.sample([pid]);
    await this.#broker.sample(this.#brokers ?? []);
    if (this.#brokers === null || slot === null) return;
    const walsender = await this.#world.walsenderOf(slot);
    if (walsender !== null) await this.#walsender.sample([walsender]);
  }

  costOf(events: number): Cost {
    const { pid, slot } = this.#measured;
    const known = this.#brokers !== null;
    return costOf(
      {
        own: pid === null ? null : this.#own.ms,
        walsender: known && slot !== null ? this.#walsender.ms : null,
        broker: known ? this.#broker.ms : null,
      },
      events,
    );
  }
}
