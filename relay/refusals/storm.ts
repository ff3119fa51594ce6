/**
 * Tells single bad events from a wrong deployment, after which most events are refused: setting them all aside would only
 * move the fault to a person's desk, out of order. Pure; time is given.
 */

/** Long enough for a slow stream to bring the least number, short enough to be over soon after the cause is. */
const windowMs = 60_000;
/** Steps in which the window moves. */
const stepMs = 1_000;

export type StormLimits = {
  /** Refused events of the window, in percent: above it is a storm. 100 is never exceeded. */
  readonly stormPercent: number;
  /** Fewer events in the window than this are never one. */
  readonly stormMinEvents: number;
};

export type Storm = { readonly events: number; readonly rejected: number };

type Step = { readonly fromMs: number; events: number; rejected: number };

export class StormWatch {
  readonly #limits: StormLimits;
  readonly #steps: Step[] = [];
  #events = 0;
  #rejected = 0;

  constructor(limits: StormLimits) {
    this.#limits = limits;
  }

  /**
   * Adds what was encoded at a time, in ms of a monotonic clock.
   * @returns what the window holds if that is a storm
   */
  add(events: number, rejected: number, nowMs: number): Storm | undefined {
    this.#forget(nowMs - windowMs);
    this.#step(nowMs, events, rejected);
    const { stormPercent, stormMinEvents } = this.#limits;
    const isStorm = this.#events >= stormMinEvents && this.#rejected * 100 > this.#events * stormPercent;
    return isStorm ? { events: this.#events, rejected: this.#rejected } : undefined;
  }

  #step(nowMs: number, events: number, rejected: number): void {
    let step = this.#steps.at(-1);
    if (step === undefined || nowMs - step.fromMs >= stepMs) {
      step = { fromMs: nowMs, events: 0, rejected: 0 };
      this.#steps.push(step);
    }
    step.events += events;
    step.rejected += rejected;
    this.#events += events;
    this.#rejected += rejected;
  }

  #forget(untilMs: number): void {
    while (this.#steps[0] !== undefined && this.#steps[0].fromMs < untilMs) {
      const { events, rejected } = this.#steps.shift()!;
      this.#events -= events;
      this.#rejected -= rejected;
    }
  }
}
