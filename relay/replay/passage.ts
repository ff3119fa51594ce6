/**
 * Owns when a batch of a replay may go: a pause holds it up as it holds up the stream, and the replay has a rate limit of its
 * own. It waits before the Kafka transaction begins, so what is paused holds up no consumer.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { readControl } from '../ledger/control.ts';
import { Gate } from '../model/gate.ts';
import type { Batch } from '../publish/publisher.ts';

/** How often it looks at what people say, as the stream does. */
const lookMs = 1_000;

export type PassageOptions = {
  readonly pool: pg.Pool;
  readonly slot: string;
  /** null for as fast as it goes. */
  readonly eventsPerSecond: number | null;
  /** Stop waiting. */
  readonly signal: AbortSignal;
  /** @param topic null: everything is paused */
  readonly onPaused: (topic: string | null) => void;
};

export class Passage {
  readonly #use: PassageOptions;
  #gate: Gate | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(options: PassageOptions) {
    this.#use = options;
  }

  /** Events of one batch: no more than a second's worth. */
  batchEvents(most: number): number {
    return Math.min(most, this.#use.eventsPerSecond ?? most);
  }

  /** @returns false if the replay is to stop. @throws RelayError POSTGRES_* */
  async pass(batch: Batch): Promise<boolean> {
    const { signal, onPaused } = this.#use;
    const load = { topics: new Set(batch.eventsByTopic().keys()), events: batch.events, bytes: batch.bytes };
    while (!signal.aborted) {
      const gate = await this.#look();
      const aside = [...load.topics].find((topic) => gate.isSetAside(topic));
      const obstacle =
        aside === undefined
          ? gate.obstacle(load, 0, performance.now())
          : ({ kind: 'paused', topic: aside } as const);
      if (obstacle === undefined) {
        gate.take(load, performance.now());
        return true;
      }
      if (obstacle.kind !== 'limited') onPaused(obstacle.topic);
      const waitMs = obstacle.kind === 'limited' ? Math.min(obstacle.waitMs, lookMs) : lookMs;
      await delay(waitMs, undefined, { signal }).catch(() => {});
    }
    return false;
  }

  async #look(): Promise<Gate> {
    if (this.#gate !== undefined && performance.now() - this.#lookedMs < lookMs) return this.#gate;
    const control = await readControl(this.#use.pool, this.#use.slot);
    // What people say about the rate of the relay is not about the replay.
    const own = { ...control, limits: { eventsPerSecond: null, bytesPerSecond: null } };
    const limits = { eventsPerSecond: this.#use.eventsPerSecond ?? 0, bytesPerSecond: 0 };
    this.#lookedMs = performance.now();
    this.#gate ??= new Gate(own, limits, this.#lookedMs);
    this.#gate.change(own, this.#lookedMs);
    return this.#gate;
  }
}
