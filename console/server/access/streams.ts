/**
 * Owns the open streams of server-sent events: how many there are, whose they are, and that each ends with the session
 * it was opened in. A stream is asked who looks only when it opens, so none lives for ever.
 */

/** Tabs of one person. A browser opens six connections to one host over HTTP/1.1. */
const perOwnerMax = 16;
/** More than a company has people who look at once. */
const streamsMax = 200;
/** After it the browser opens the stream again, and access is checked again. */
const lifetimeMs = 3_600_000;

/** What carries a stream: the answer of Node's HTTP server. */
export type Carrier = {
  once(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
};

export class Streams {
  readonly #open = new Map<string, Set<Carrier>>();
  #count = 0;

  mayOpen(owner: string): boolean {
    return this.#count < streamsMax && (this.#open.get(owner)?.size ?? 0) < perOwnerMax;
  }

  /** Counts it until it closes. One too many is closed at once. @param leftMs of the session */
  opened(owner: string, leftMs: number, carrier: Carrier): void {
    if (!this.mayOpen(owner)) {
      carrier.destroy();
      return;
    }
    const streams = this.#open.get(owner) ?? new Set();
    this.#open.set(owner, streams.add(carrier));
    this.#count++;
    const timer = setTimeout(() => carrier.destroy(), Math.min(leftMs, lifetimeMs));
    timer.unref();
    carrier.once('close', () => {
      clearTimeout(timer);
      this.#count--;
      streams.delete(carrier);
      if (streams.size === 0) this.#open.delete(owner);
    });
  }

  /** When the owner signs out. */
  endOf(owner: string): void {
    for (const carrier of this.#open.get(owner) ?? []) carrier.destroy();
  }
}
