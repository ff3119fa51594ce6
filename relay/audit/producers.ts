/**
 * Owns who wrote a record without the relay's headers. Producers are identified by the ids that Kafka assigned to them,
 * which nobody chooses. If a producer wrote the progress of this slot, or a relay's headers, then a record of it without
 * them is a fault of the relay.
 */
import { type Listed, list, note, type RecordPlace, type UndecodableRecord } from './findings.ts';

export class Producers {
  readonly #maxItems: number;
  readonly #relays = new Set<bigint>();
  readonly #otherSlots = new Set<bigint>();
  /** By producer; undefined for records written without a transaction, which no relay does. */
  readonly #headless = new Map<bigint | undefined, Listed<UndecodableRecord>>();

  constructor(maxItems: number) {
    this.#maxItems = maxItems;
  }

  /** A producer of a progress, and whether it is the progress of this slot. */
  addProgress(producerId: bigint, isOwn: boolean): void {
    (isOwn ? this.#relays : this.#otherSlots).add(producerId);
  }

  /** A producer of a record that has the headers. */
  addRelay(producerId: bigint | undefined): void {
    if (producerId !== undefined) this.#relays.add(producerId);
  }

  isOfOtherSlot(producerId: bigint | undefined): boolean {
    return producerId !== undefined && this.#otherSlots.has(producerId);
  }

  addHeadless(producerId: bigint | undefined, record: UndecodableRecord): void {
    let some = this.#headless.get(producerId);
    if (some === undefined) {
      some = list();
      this.#headless.set(producerId, some);
    }
    note(some, this.#maxItems, () => record);
  }

  /** Lists the records without headers: those of relays as undecodable, the others as foreign. */
  judge(undecodable: Listed<UndecodableRecord>, foreign: Listed<RecordPlace>): void {
    for (const [producerId, { count, first }] of this.#headless) {
      const isOfRelay =
        producerId !== undefined && this.#relays.has(producerId) && !this.#otherSlots.has(producerId);
      const target: Listed<RecordPlace> = isOfRelay ? undecodable : foreign;
      target.count += count;
      for (const { reason, ...place } of first)
        if (target.first.length < this.#maxItems)
          target.first.push(isOfRelay ? ({ ...place, reason } as RecordPlace) : place);
    }
    this.#headless.clear();
  }
}
