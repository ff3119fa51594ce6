/**
 * Owns the guard against a wrong deployment, after which most events are refused. As dead letters they would all land on a
 * person's desk, out of order; so the relay stops. Pure: the caller gives the time.
 */

/** Long enough for a slow stream to bring `stormMinEvents`, short enough to forget the refusals soon after their cause is gone. */
const windowMs = 60_000;
/** Steps in which the window moves. */
const stepMs = 1_000;

export type StormLimits = {
  /** A larger share of refused events, in percent, is a storm. 100 is never exceeded. */
  readonly stormPercent: number;
  /** Fewer events in the window are never a storm. */
  readonly stormMinEvents: number;
};

export type Storm = { readonly events: number; readonly refused: number };

type Step = { readonly fromMs: number; events: number; refused: number };

export class StormWatch {
  readonly #limits: StormLimits;
  readonly #steps: Step[] = [];
  #events = 0;
  #refused = 0;

  constructor(limits: StormLimits) {
    this.#limits = limits;
  }

  /**
   * @param nowMs on a monotonic clock
   * @returns what the window holds, where that is a storm
   */
  add(events: number, refused: number, nowMs: number): Storm | undefined {
    this.#forget(nowMs - windowMs);
    this.#step(nowMs, events, refused);
    const { stormPercent, stormMinEvents } = this.#limits;
    const isStorm = this.#events >= stormMinEvents && this.#refused * 100 > this.#events * stormPercent;
    return isStorm ? { events: this.#events, refused: this.#refused } : undefined;
  }

  #step(nowMs: number, events: number, refused: number): void {
    let step = this.#steps.at(-1);
    if (step === undefined || nowMs - step.fromMs >= stepMs) {
      step = { fromMs: nowMs, events: 0, refused: 0 };
      this.#steps.push(step);
    }
    step.events += events;
    step.refused += refused;
    this.#events += events;
    this.#refused += refused;
  }

  #forget(untilMs: number): void {
    while (this.#steps[0] !== undefined && this.#steps[0].fromMs < untilMs) {
      const { events, refused } = this.#steps.shift()!;
      this.#events -= events;
      this.#refused -= refused;
    }
  }
}
