/** Some events, for a report: how many, the first of their ids, and the time they span. */
import { type AbsentEvent, eventMs } from './gap.ts';
import { shownId } from './unreadable.ts';

export type Some = {
  readonly count: number;
  readonly ids: readonly string[];
  readonly from: string | null;
  readonly until: string | null;
};

/** Number of ids shown of each kind. */
const idsShown = 20;

/** Collects them one by one, in the order in which they come. */
export class SomeEvents {
  #count = 0;
  readonly #ids: string[] = [];
  #fromMs = Number.POSITIVE_INFINITY;
  #untilMs = Number.NEGATIVE_INFINITY;

  add(event: AbsentEvent): void {
    this.#count += 1;
    if (this.#ids.length < idsShown) this.#ids.push(shownId(event));
    const ms = eventMs(event);
    if (ms === undefined) return;
    this.#fromMs = Math.min(this.#fromMs, ms);
    this.#untilMs = Math.max(this.#untilMs, ms);
  }

  get value(): Some {
    return { count: this.#count, ids: this.#ids, from: iso(this.#fromMs), until: iso(this.#untilMs) };
  }
}

function iso(ms: number): string | null {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null;
}
