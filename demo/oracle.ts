/**
 * The oracle of the demo. It knows what the order service committed and rolled back, what the consumer received, what the relay
 * dead-lettered. The verdict follows from these alone and knows nothing of how the relay works. Pure.
 */
import { KeyOrder } from '../harness/deliveries.ts';

export type WrittenEvent = {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  /** Rises with the commit order of the key's events. */
  readonly sequence: number;
  /** `refuse`: no schema or topic takes it, so it belongs in `outbox.dead_letter`. */
  readonly fate: 'publish' | 'refuse';
  /** A summary of its content; see `payloads.ts`. */
  readonly content: string;
};

export type Receipt = {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  /** undefined: the value could not be decoded. */
  readonly content: string | undefined;
  /** By the clock of `committed`, in ms. */
  readonly atMs: number;
};

/** Everything from `missing` to `misplaced` is 0 if the relay keeps its promise. */
export type Verdict = {
  /** Events of committed transactions that are to be published. */
  readonly committed: number;
  /** Of those, the ones that were received. */
  readonly published: number;
  /** Committed, but neither received nor a dead letter. */
  readonly missing: number;
  /** Receipts and dead letters beyond the first of an event. */
  readonly duplicates: number;
  /** Received or a dead letter, but never committed. */
  readonly leaked: number;
  /** Received after a later event of the same key. */
  readonly orderViolations: number;
  readonly undecodable: number;
  /** Received with another topic, key or content than was written. */
  readonly altered: number;
  /** A valid event dead-lettered, or an event that no schema accepts published. */
  readonly misplaced: number;
  /** Events of committed transactions that are in `outbox.dead_letter`. */
  readonly deadLetters: number;
  /** Events written and rolled back, with the transaction or to a savepoint. */
  readonly rolledBack: number;
};

export function isClean(verdict: Verdict): boolean {
  const { missing, duplicates, leaked, orderViolations, undecodable, altered, misplaced } = verdict;
  return missing + duplicates + leaked + orderViolations + undecodable + altered + misplaced === 0;
}

type Committed = { readonly event: WrittenEvent; readonly atMs: number };
type Received = { readonly receipt: Receipt; count: number };

export class Oracle {
  readonly #committed = new Map<string, Committed>();
  /** In the order of arrival, which decides the order of each key. */
  readonly #received = new Map<string, Received>();
  readonly #deadLetters = new Map<string, number>();
  readonly #latenciesMs: number[] = [];
  #rolledBack = 0;
  #toPublish = 0;
  #published = 0;
  #outstanding = 0;

  /** Of one transaction; `atMs` is when COMMIT returned, so that latency counts from what the writer knows. */
  committed(events: readonly WrittenEvent[], atMs: number): void {
    for (const event of events) {
      this.#committed.set(event.id, { event, atMs });
      if (event.fate === 'publish') this.#toPublish += 1;
      const received = this.#received.get(event.id);
      if (received !== undefined) this.#match(received.receipt.atMs - atMs);
      else if (!this.#deadLetters.has(event.id)) this.#outstanding += 1;
    }
  }

  rolledBack(events: number): void {
    this.#rolledBack += events;
  }

  received(receipt: Receipt): void {
    const known = this.#received.get(receipt.id);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    this.#received.set(receipt.id, { receipt, count: 1 });
    const committed = this.#committed.get(receipt.id);
    // The consumer can be faster than the answer to COMMIT; then `committed` matches the two.
    if (committed === undefined) return;
    if (!this.#deadLetters.has(receipt.id)) this.#outstanding -= 1;
    this.#match(receipt.atMs - committed.atMs);
  }

  /** All rows of `outbox.dead_letter` so far, by event id, repeated where it is. */
  deadLettersAre(ids: readonly string[]): void {
    const counts = new Map<string, number>();
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const [id, count] of counts) {
      const isNew = !this.#deadLetters.has(id);
      this.#deadLetters.set(id, count);
      if (isNew && this.#committed.has(id) && !this.#received.has(id)) this.#outstanding -= 1;
    }
  }

  #match(latencyMs: number): void {
    this.#published += 1;
    this.#latenciesMs.push(Math.max(0, latencyMs));
  }

  /** Committed events that are neither received nor dead letters yet. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** For the live view; `verdict` counts from the start. */
  get counts(): { committed: number; published: number; rolledBack: number; deadLetters: number } {
    return {
      committed: this.#toPublish,
      published: this.#published,
      rolledBack: this.#rolledBack,
      deadLetters: this.#deadLetters.size,
    };
  }

  /** From the answer to COMMIT to the receipt, in ms, one an event, in the order of arrival. */
  get latenciesMs(): readonly number[] {
    return this.#latenciesMs;
  }

  verdict(): Verdict {
    return { ...this.#judgeCommitted(), ...this.#judgeReceived(), rolledBack: this.#rolledBack };
  }

  #judgeCommitted() {
    const sums = { committed: 0, published: 0, missing: 0, duplicates: 0, misplaced: 0, deadLetters: 0 };
    for (const [id, { event }] of this.#committed) {
      const receipts = this.#received.get(id)?.count ?? 0;
      const rows = this.#deadLetters.get(id) ?? 0;
      if (event.fate === 'publish') sums.committed += 1;
      if (receipts > 0) sums.published += 1;
      if (rows > 0) sums.deadLetters += 1;
      if (receipts + rows === 0) sums.missing += 1;
      else sums.duplicates += receipts + rows - 1;
      if ((event.fate === 'publish' ? rows : receipts) > 0) sums.misplaced += 1;
    }
    return sums;
  }

  #judgeReceived() {
    const sums = { leaked: 0, orderViolations: 0, undecodable: 0, altered: 0 };
    const order = new KeyOrder<number>();
    for (const id of this.#deadLetters.keys()) if (!this.#committed.has(id)) sums.leaked += 1;
    for (const [id, { receipt }] of this.#received) {
      const event = this.#committed.get(id)?.event;
      if (receipt.content === undefined) sums.undecodable += 1;
      if (event === undefined) {
        sums.leaked += 1;
        continue;
      }
      const isSame =
        event.topic === receipt.topic &&
        event.key === receipt.key &&
        (receipt.content === undefined || receipt.content === event.content);
      if (!isSame) sums.altered += 1;
      // A topic's name holds no blank, so the pair is never ambiguous.
      if (!order.follows(`${event.topic} ${event.key}`, event.sequence)) sums.orderViolations += 1;
    }
    return sums;
  }
}
