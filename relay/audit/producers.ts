/**
 * Owns who wrote a record. Producers are identified by the ids that Kafka assigned to them, which nobody chooses. What the
 * relay of another slot wrote is not judged, whatever it looks like. If a producer wrote the progress of this slot, or a
 * relay's headers, then a record of it without them is a fault of the relay.
 */
import { type Listed, list, note, type RecordPlace, type UndecodableRecord } from './findings.ts';
import { Foreign } from './foreign.ts';

type Headless = { readonly records: Listed<UndecodableRecord>; readonly places: Foreign };

export class Producers {
  readonly #maxItems: number;
  /** Of the progress of this slot. */
  readonly #own = new Set<bigint>();
  readonly #otherSlots = new Set<bigint>();
  /** Of records that have the headers. */
  readonly #withHeaders = new Set<bigint>();
  /** By producer; undefined for records written without a transaction, which no relay does. */
  readonly #headless = new Map<bigint | undefined, Headless>();

  constructor(maxItems: number) {
    this.#maxItems = maxItems;
  }

  /** A producer of a progress, and whether it is the progress of this slot. */
  addProgress(producerId: bigint, isOwn: boolean): void {
    (isOwn ? this.#own : this.#otherSlots).add(producerId);
  }

  /** A producer of a record that has the headers. */
  addRelay(producerId: bigint | undefined): void {
    if (producerId !== undefined) this.#withHeaders.add(producerId);
  }

  isOfOtherSlot(producerId: bigint | undefined): boolean {
    return producerId !== undefined && this.#otherSlots.has(producerId) && !this.#own.has(producerId);
  }

  addHeadless(producerId: bigint | undefined, record: UndecodableRecord): void {
    let some = this.#headless.get(producerId);
    if (some === undefined) {
      some = { records: list(), places: new Foreign() };
      this.#headless.set(producerId, some);
    }
    note(some.records, this.#maxItems, () => record);
    some.places.add(record);
  }

  /** Lists the records without headers: those of relays as undecodable, the others as foreign. */
  judge(undecodable: Listed<UndecodableRecord>, foreign: Listed<RecordPlace>, places: Foreign): void {
    for (const [producerId, { records, places: of }] of this.#headless) {
      const isOfRelay =
        producerId !== undefined &&
        (this.#own.has(producerId) || this.#withHeaders.has(producerId)) &&
        !this.isOfOtherSlot(producerId);
      const target: Listed<RecordPlace> = isOfRelay ? undecodable : foreign;
      target.count += records.count;
      if (!isOfRelay) places.addTopics(of.topics());
      for (const { reason, ...place } of records.first)
        if (target.first.length < this.#maxItems)
          target.first.push(isOfRelay ? ({ ...place, reason } as RecordPlace) : place);
    }
    this.#headless.clear();
  }
}
