/**
 * The oracle of exactly-once delivery and order: what was received against what was committed. It knows ids, keys and
 * sequences, and nothing of the relay. Pure.
 */

/** Whether the events of each key arrive in their order. */
export class KeyOrder<Sequence extends number | string> {
  readonly #last = new Map<string, Sequence>();

  /** Takes the next event of a key. @returns whether its sequence is above that of the key's events before it */
  follows(key: string, sequence: Sequence): boolean {
    const last = this.#last.get(key);
    if (last !== undefined && sequence <= last) return false;
    this.#last.set(key, sequence);
    return true;
  }
}

export type Differences = {
  /** Committed, and never received. */
  readonly missing: readonly string[];
  /** Received more than once. */
  readonly duplicates: readonly string[];
  /** Received, and never committed. */
  readonly unknown: readonly string[];
};

/** Compares ids; each that differs is named once. */
export function compareIds(received: readonly string[], committed: Iterable<string>): Differences {
  const known = new Set(committed);
  const seen = new Set<string>();
  const duplicates = new Set<string>();
  for (const id of received) {
    if (seen.has(id)) duplicates.add(id);
    seen.add(id);
  }
  return {
    missing: [...known].filter((id) => !seen.has(id)),
    duplicates: [...duplicates],
    unknown: [...seen].filter((id) => !known.has(id)),
  };
}
