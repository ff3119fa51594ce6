/**
 * Owns whether events may be published now: pauses and rate limits, for the stream, `recover` and `replay` alike. Promise:
 * no event is published to a paused topic. Waiting events are neither lost nor overtaken, because the caller asks before it
 * decides anything about them. Pure: the caller passes the time of a monotonic clock, and waits.
 */
import { activePauses, type Control, limitsOf, type RateLimits } from './control.ts';
import { RateLimit } from './rate-limit.ts';

export type Obstacle =
  /** Until somebody resumes it, or its time is over. */
  | { readonly kind: 'paused'; readonly topic: string | null }
  /** The topic is set aside, and no more keys can be. It waits as if it was held. */
  | { readonly kind: 'full'; readonly topic: string }
  | { readonly kind: 'limited'; readonly waitMs: number };

/** What is to be published. */
export type Load = { readonly topics: ReadonlySet<string>; readonly events: number; readonly bytes: number };

/**
 * Keys that may wait because topics are set aside. The relay holds the names of all of them in memory, some 100 bytes each.
 * Events of one key take no memory, only rows in outbox.dead_letter.
 */
export const parkedKeysMax = 500_000;

export class Gate {
  readonly #settings: RateLimits;
  readonly #rate: RateLimit;
  #control: Control;
  #isAllPaused = false;
  #held: ReadonlySet<string> = new Set();
  #setAside: ReadonlySet<string> = new Set();
  #limitedMs = Number.NEGATIVE_INFINITY;

  constructor(control: Control, settings: RateLimits, nowMs: number) {
    this.#settings = settings;
    this.#control = control;
    this.#rate = new RateLimit(limitsOf(control, settings), nowMs);
    this.change(control, nowMs);
  }

  get control(): Control {
    return this.#control;
  }

  get limits(): RateLimits {
    return this.#rate.limits;
  }

  /** Nothing holds anything up, whatever it is: the way of nearly every transaction. */
  get isOpen(): boolean {
    return !this.#isAllPaused && this.#held.size === 0 && this.#setAside.size === 0 && !this.#rate.isLimited;
  }

  get isAllPaused(): boolean {
    return this.#isAllPaused;
  }

  /** Whether any topic is set aside. */
  get setsAside(): boolean {
    return this.#setAside.size > 0;
  }

  isSetAside(topic: string): boolean {
    return this.#setAside.has(topic);
  }

  change(control: Control, nowMs: number): void {
    this.#control = control;
    const pauses = activePauses(control);
    const topicsOf = (mode: string) =>
      new Set(pauses.flatMap((pause) => (pause.mode === mode && pause.topic !== null ? [pause.topic] : [])));
    this.#isAllPaused = pauses.some(({ topic }) => topic === null);
    this.#held = topicsOf('hold');
    this.#setAside = topicsOf('set-aside');
    this.#rate.change(limitsOf(control, this.#settings), nowMs);
  }

  /** @param parkedKeys that wait now. @returns what is in the way; undefined where it may go */
  obstacle({ topics }: Pick<Load, 'topics'>, parkedKeys: number, nowMs: number): Obstacle | undefined {
    if (this.#isAllPaused) return { kind: 'paused', topic: null };
    for (const topic of topics) if (this.#held.has(topic)) return { kind: 'paused', topic };
    if (parkedKeys >= parkedKeysMax)
      for (const topic of topics) if (this.#setAside.has(topic)) return { kind: 'full', topic };
    const waitMs = this.#rate.waitMs(nowMs);
    if (waitMs === 0) return undefined;
    this.#limitedMs = nowMs;
    return { kind: 'limited', waitMs };
  }

  /** Counts what goes. */
  take({ events, bytes }: Omit<Load, 'topics'>, nowMs: number): void {
    this.#rate.take(events, bytes, nowMs);
  }

  /** Whether the rate limit held something up a moment ago: a state, not each single wait. */
  isLimited(nowMs: number): boolean {
    return this.#rate.isLimited && nowMs - this.#limitedMs < limitedForMs;
  }
}

/** Longer than any pause between two batches under load. */
const limitedForMs = 5_000;
