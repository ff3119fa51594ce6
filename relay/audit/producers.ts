/**
 * Owns who wrote a record, for `verify` and the standing audit alike. Producers are identified by the ids that Kafka assigned
 * to them, which nobody chooses. If a producer wrote the progress of this slot, or a relay's headers, then a record of it
 * without them is a fault of the relay.
 *
 * What the relay of another slot wrote is not judged, whatever it looks like, but for one case: a relay of this database may
 * publish the same outbox, as before this slot took over from another. Its record is judged if the table has its row, and the
 * row routes to its topic: then the event is published, and a second record of it is a duplicate. A relay of another database
 * never published a row of this one. If ids are numbers, both have the same, and such a record must not stand in for an event
 * that is lost.
 */
import { type Listed, list, note, type RecordPlace, type UndecodableRecord } from './findings.ts';
import { Foreign } from './foreign.ts';

/** Whose relay wrote a progress: of the slot that is audited, of another slot of its database, or of another database. */
export type Writer = 'this slot' | 'this database' | 'elsewhere';

type Headless = { readonly records: Listed<UndecodableRecord>; readonly places: Foreign };

export class Producers {
  readonly #maxItems: number;
  /** Of progress. */
  readonly #writers = new Map<bigint, Writer>();
  /** Of records that have the headers. */
  readonly #withHeaders = new Set<bigint>();
  /** By producer; undefined for records written without a transaction, which no relay does. */
  readonly #headless = new Map<bigint | undefined, Headless>();

  constructor(maxItems: number) {
    this.#maxItems = maxItems;
  }

  /** A producer of a progress. A claim tells the name of its slot only, and the progress that follows the lineage, too. */
  addProgress(producerId: bigint, writer: Writer): void {
    const known = this.#writers.get(producerId);
    if (known === 'this slot' || (known === 'elsewhere' && writer === 'this database')) return;
    this.#writers.set(producerId, writer);
  }

  /** A producer of a record that has the headers. */
  addRelay(producerId: bigint | undefined): void {
    if (producerId !== undefined) this.#withHeaders.add(producerId);
  }

  /** undefined: it wrote no progress that was read. */
  isOfThisSlot(producerId: bigint | undefined): boolean | undefined {
    const writer = this.#writerOf(producerId);
    return writer === undefined ? undefined : writer === 'this slot';
  }

  isOfOtherSlot(producerId: bigint | undefined): boolean {
    const writer = this.#writerOf(producerId);
    return writer !== undefined && writer !== 'this slot';
  }

  /** Whether the table decides whose a record of it is. */
  isOfSibling(producerId: bigint | undefined): boolean {
    return this.#writerOf(producerId) === 'this database';
  }

  /**
   * Whether a record is not to be judged, since it is no record of this outbox. It comes before what the record holds.
   * @param hasRow whether the table has the row of its event, which routes to its topic; asked only where that decides
   */
  isOfOthers(producerId: bigint | undefined, hasRow: () => boolean): boolean {
    return this.isOfSibling(producerId) ? !hasRow() : this.isOfOtherSlot(producerId);
  }

  #writerOf(producerId: bigint | undefined): Writer | undefined {
    return producerId === undefined ? undefined : this.#writers.get(producerId);
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
        (this.#writerOf(producerId) === 'this slot' || this.#withHeaders.has(producerId)) &&
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
