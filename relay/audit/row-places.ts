/** The places of the events' rows, so that a record's row is read without a scan: 8 bytes per event. */
import { lengthened } from './lengthened.ts';

export type RowPlace = {
  /** Object id of its table. */
  readonly relation: string;
  /** `(page,line)` */
  readonly ctid: string;
};

const initialCapacity = 1_024;

export class RowPlaces {
  readonly #relations: string[] = [];
  readonly #numbers = new Map<string, number>();
  #pages = new Uint32Array(initialCapacity);
  #lines = new Uint16Array(initialCapacity);
  /** 0 if there is no row. */
  #relationNumbers = new Uint16Array(initialCapacity);
  /** Further rows of an id, which are rare. */
  readonly #further = new Map<number, RowPlace[]>();

  /** @param slot number of the event */
  add(slot: number, place: RowPlace): void {
    if (slot >= this.#pages.length) this.#grow(slot);
    if (this.#relationNumbers[slot] !== 0) {
      const further = this.#further.get(slot) ?? [];
      further.push(place);
      this.#further.set(slot, further);
      return;
    }
    const [page, line] = place.ctid.slice(1, -1).split(',').map(Number);
    this.#pages[slot] = page!;
    this.#lines[slot] = line!;
    this.#relationNumbers[slot] = this.#numberOf(place.relation);
  }

  of(slot: number): RowPlace[] {
    const number = this.#relationNumbers[slot] ?? 0;
    if (number === 0) return [];
    const ctid = `(${this.#pages[slot]},${this.#lines[slot]})`;
    return [{ relation: this.#relations[number - 1]!, ctid }, ...(this.#further.get(slot) ?? [])];
  }

  #numberOf(relation: string): number {
    let number = this.#numbers.get(relation);
    if (number === undefined) {
      number = this.#relations.push(relation);
      this.#numbers.set(relation, number);
    }
    return number;
  }

  #grow(slot: number): void {
    const capacity = Math.max(2 * this.#pages.length, slot + 1);
    this.#pages = lengthened(this.#pages, capacity);
    this.#lines = lengthened(this.#lines, capacity);
    this.#relationNumbers = lengthened(this.#relationNumbers, capacity);
  }
}
