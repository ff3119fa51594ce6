/**
 * Owns how much may be published per second: a token bucket for events and one for bytes. What is larger than a bucket
 * passes all the same and leaves a debt, so no transaction waits for ever, and the rate holds over time. Pure: the caller
 * gives the time, on a monotonic clock.
 */
import type { RateLimits } from './control.ts';

/** What an idle relay may publish at once, as a time at the full rate: short enough that no second sees much more. */
const burstMs = 100;

export class RateLimit {
  #limits: RateLimits;
  #events: number;
  #bytes: number;
  #atMs: number;

  constructor(limits: RateLimits, nowMs: number) {
    this.#limits = limits;
    this.#events = burstOf(limits.eventsPerSecond);
    this.#bytes = burstOf(limits.bytesPerSecond);
    this.#atMs = nowMs;
  }

  get limits(): RateLimits {
    return this.#limits;
  }

  get isLimited(): boolean {
    return this.#limits.eventsPerSecond > 0 || this.#limits.bytesPerSecond > 0;
  }

  /** A debt stays, and is paid at the new rate. */
  change(limits: RateLimits, nowMs: number): void {
    this.#refill(nowMs);
    this.#limits = limits;
    this.#refill(nowMs);
  }

  /** @returns ms until something may go, of whatever size; 0: now */
  waitMs(nowMs: number): number {
    if (!this.isLimited) return 0;
    this.#refill(nowMs);
    const { eventsPerSecond, bytesPerSecond } = this.#limits;
    const owedMs = Math.max(debtMs(this.#events, eventsPerSecond), debtMs(this.#bytes, bytesPerSecond));
    // A debt of a rounding error, which a refill may leave, is none.
    return Math.ceil(Math.max(0, owedMs - 1e-6));
  }

  /** Counts what goes. */
  take(events: number, bytes: number, nowMs: number): void {
    if (!this.isLimited) return;
    this.#refill(nowMs);
    this.#events -= events;
    this.#bytes -= bytes;
  }

  #refill(nowMs: number): void {
    const seconds = Math.max(0, nowMs - this.#atMs) / 1_000;
    const { eventsPerSecond, bytesPerSecond } = this.#limits;
    this.#events = refilled(this.#events, eventsPerSecond, seconds);
    this.#bytes = refilled(this.#bytes, bytesPerSecond, seconds);
    this.#atMs = Math.max(this.#atMs, nowMs);
  }
}

const burstOf = (perSecond: number) => (perSecond * burstMs) / 1_000;

/** What nothing limits is counted as empty: a limit that comes later begins without a debt and without a stock. */
function refilled(tokens: number, perSecond: number, seconds: number): number {
  return perSecond === 0 ? 0 : Math.min(burstOf(perSecond), tokens + perSecond * seconds);
}

function debtMs(tokens: number, perSecond: number): number {
  return perSecond === 0 || tokens >= 0 ? 0 : (-tokens / perSecond) * 1_000;
}
