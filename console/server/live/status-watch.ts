/**
 * Owns the status that pages show live: it reads Postgres while somebody looks, and not otherwise. When Postgres does not
 * answer, the last status stays, with its age and why there is no newer one. Promise: an old status is never passed off as
 * new.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../../relay/config/config.ts';
import { asRelayError } from '../../../relay/errors.ts';
import { readStatus, type Status } from '../../../relay/operations/status.ts';
import { type Fault, faultOf } from '../fault.ts';

export type Seen = {
  /** null before the first. */
  readonly status: Status | null;
  /** Since its reading began, by the clock of this process, in ms; null before the first. */
  readonly ageMs: number | null;
  /** Why it is not up to date; null where it is. */
  readonly failure: Fault | null;
};

/** What a person sees as live. */
const everyMs = 2_000;

export class StatusWatch {
  readonly #read: () => Promise<Status>;
  readonly #nowMs: () => number;
  readonly #listeners = new Set<(seen: Seen) => void>();
  #last: { readonly status: Status; readonly readMs: number } | undefined;
  #failure: Fault | null = null;
  #watching: Promise<void> | undefined;
  #ending = new AbortController();

  /** @param read and nowMs differ in tests only */
  constructor(config: Config, read = () => readStatus(config), nowMs = () => performance.now()) {
    this.#read = read;
    this.#nowMs = nowMs;
  }

  /** @returns what ends it */
  subscribe(listener: (seen: Seen) => void): () => void {
    this.#listeners.add(listener);
    if (this.#watching === undefined) {
      this.#ending = new AbortController();
      this.#watching = this.#watch(this.#ending.signal);
    } else listener(this.#seen());
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.end();
    };
  }

  end(): void {
    this.#ending.abort();
    this.#watching = undefined;
  }

  async #watch(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      const readMs = this.#nowMs();
      try {
        const status = await this.#read();
        // One that hung may come after that of the next watch.
        if (ended.aborted) return;
        this.#last = { status, readMs };
        this.#failure = null;
      } catch (error) {
        this.#failure = faultOf(asRelayError(error));
      }
      if (ended.aborted) return;
      for (const listener of this.#listeners) listener(this.#seen());
      await delay(everyMs, undefined, { signal: ended }).catch(() => {});
    }
  }

  #seen(): Seen {
    const { status = null, readMs = null } = this.#last ?? {};
    const ageMs = readMs === null ? null : Math.round(this.#nowMs() - readMs);
    return { status, ageMs, failure: this.#failure };
  }
}
