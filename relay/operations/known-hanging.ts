/**
 * Transactions that hang, as far as the relay knows: what it says of them to `status` and the console. Promise: one in a
 * topic that a look did not see is not over. A broker that is away for a moment must not look like a transaction that ended.
 */
import type { RelayFacts } from '../ledger/relays.ts';
import type { HangingTransaction } from '../model/hanging-transaction.ts';
import type { Facts } from '../observe/facts.ts';

type Known = Omit<HangingTransaction, 'standingMs'> & { readonly sinceMs: number; readonly seenMs: number };

/** A topic that was deleted is never seen again. */
const unseenKeptMs = 15 * 60_000;

export class KnownHanging {
  #known: readonly Known[] = [];

  get count(): number {
    return this.#known.length;
  }

  /** @param nowMs since 1970 */
  note({ topics, hanging }: Facts['endsSeen'], nowMs: number): void {
    const seen = hanging.map(({ standingMs, ...place }) => ({
      ...place,
      sinceMs: nowMs - standingMs,
      seenMs: nowMs,
    }));
    const told = new Set([...topics, ...hanging].map(({ topic }) => topic));
    const kept = this.#known.filter(
      ({ topic, seenMs }) => !told.has(topic) && nowMs - seenMs <= unseenKeptMs,
    );
    this.#known = [...seen, ...kept];
  }

  /** A relay that does not stream looks at nothing. */
  forget(): void {
    this.#known = [];
  }

  get facts(): NonNullable<RelayFacts['hanging']> | null {
    const [first, ...others] = this.#known;
    if (first === undefined) return null;
    const longest = others.reduce((most, each) => (each.sinceMs < most.sinceMs ? each : most), first);
    const { sinceMs, seenMs: _, ...place } = longest;
    return { count: this.#known.length, longest: { ...place, since: new Date(sinceMs).toISOString() } };
  }
}
