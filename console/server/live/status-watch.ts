/**
 * Owns the status that pages show live: it reads Postgres while somebody looks, and not otherwise. When Postgres does not
 * answer, the last status stays, with the failure and since when.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../../relay/config/config.ts';
import { asRelayError } from '../../../relay/errors.ts';
import { readStatus, type Status } from '../../../relay/operations/status.ts';
import { type Fault, faultOf } from '../fault.ts';

export type Seen = {
  /** null before the first. */
  readonly status: Status | null;
  /** Why it is not up to date; null where it is. */
  readonly failure: (Fault & { readonly since: string }) | null;
};

/** What a person sees as live. */
const everyMs = 2_000;

export class StatusWatch {
  readonly #config: Config;
  readonly #listeners = new Set<(seen: Seen) => void>();
  #seen: Seen = { status: null, failure: null };
  #watching: Promise<void> | undefined;
  #ending = new AbortController();

  constructor(config: Config) {
    this.#config = config;
  }

  /** @returns what ends it */
  subscribe(listener: (seen: Seen) => void): () => void {
    this.#listeners.add(listener);
    if (this.#watching === undefined) {
      this.#ending = new AbortController();
      this.#watching = this.#watch(this.#ending.signal);
    } else listener(this.#seen);
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
      const seen = await this.#read();
      if (ended.aborted) return;
      this.#seen = seen;
      for (const listener of this.#listeners) listener(seen);
      await delay(everyMs, undefined, { signal: ended }).catch(() => {});
    }
  }

  async #read(): Promise<Seen> {
    try {
      return { status: await readStatus(this.#config), failure: null };
    } catch (error) {
      const since = this.#seen.failure?.since ?? new Date().toISOString();
      return { status: this.#seen.status, failure: { ...faultOf(asRelayError(error)), since } };
    }
  }
}
