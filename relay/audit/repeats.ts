/** Owns which records are one too many. Positions distinguish the records of one id. */
import { type EventIndex, flag, positionHash } from './event-index.ts';
import { type Listed, list, note } from './findings.ts';

export class Repeats {
  readonly #index: EventIndex;
  readonly #maxIds: number;
  /** Hashes of the positions of further records of an id, which are rare. */
  readonly #furtherPositions = new Map<number, number[]>();
  readonly duplicates: Listed<string> = list();

  constructor(index: EventIndex, maxIds: number) {
    this.#index = index;
    this.#maxIds = maxIds;
  }

  /**
   * Counts a record. A surplus one is usually out of order, too; it is listed once, as a duplicate.
   * @param slot of its id
   */
  isSurplus(slot: number, id: string, position: string): boolean {
    const index = this.#index;
    const hash = positionHash(position);
    if (index.records(slot) === 0) {
      index.addRecord(slot);
      index.setPosition(slot, hash);
      return false;
    }
    const further = this.#furtherPositions.get(slot) ?? [];
    const isSamePosition = index.position(slot) === hash || further.includes(hash);
    if (!isSamePosition) {
      index.addRecord(slot);
      this.#furtherPositions.set(slot, [...further, hash]);
      if (index.records(slot) <= index.rows(slot)) return false;
      // Without rows, nothing shows that there were not two of them.
      if (index.rows(slot) === 0) index.addFlag(slot, flag.repeated);
    }
    if (isSamePosition || index.rows(slot) > 0) this.addDuplicate(slot, id);
    return true;
  }

  addDuplicate(slot: number, id: string): void {
    if (!this.#index.has(slot, flag.duplicate)) note(this.duplicates, this.#maxIds, () => id);
    this.#index.addFlag(slot, flag.duplicate);
  }
}
