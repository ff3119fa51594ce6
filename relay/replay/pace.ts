/** Owns how fast a replay goes: events per second on average, never more than a second's worth at once. */
import { setTimeout as delay } from 'node:timers/promises';

export class Pace {
  readonly #eventsPerSecond: number | null;
  readonly #nowMs: () => number;
  /** When the next batch may go. */
  #notBeforeMs = 0;

  constructor(eventsPerSecond: number | null, nowMs: () => number = () => performance.now()) {
    this.#eventsPerSecond = eventsPerSecond;
    this.#nowMs = nowMs;
  }

  /** Events of one batch. */
  batchEvents(most: number): number {
    return this.#eventsPerSecond === null ? most : Math.min(most, Math.max(1, this.#eventsPerSecond));
  }

  /** Takes the events of the next batch. @returns how long it has to wait, ms */
  take(events: number): number {
    if (this.#eventsPerSecond === null) return 0;
    const nowMs = this.#nowMs();
    const atMs = Math.max(nowMs, this.#notBeforeMs);
    this.#notBeforeMs = atMs + (events / this.#eventsPerSecond) * 1_000;
    return atMs - nowMs;
  }

  async wait(events: number, signal: AbortSignal): Promise<void> {
    const waitMs = this.take(events);
    if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => {});
  }
}
