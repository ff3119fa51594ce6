/**
 * The events that are to be published next, from pages of them: as many as it takes to see whether a transaction fits into
 * a Kafka transaction, and no more.
 */
import { type AbsentEvent, areOfOneTransaction } from './gap.ts';

export class Upcoming {
  readonly #pages: AsyncIterator<readonly AbsentEvent[]>;
  #events: AbsentEvent[] = [];
  #next = 0;
  #isAtEnd = false;

  constructor(pages: AsyncIterable<readonly AbsentEvent[]>) {
    this.#pages = pages[Symbol.asyncIterator]();
  }

  /** How many of the next events are of one transaction, `most` at most; 0 at the end. */
  async ofOneTransaction(most: number): Promise<number> {
    let size = 0;
    while (size < most && (await this.#has(size + 1))) {
      if (size > 0 && !areOfOneTransaction(this.#at(size), this.#at(size - 1))) break;
      size += 1;
    }
    return size;
  }

  /** The next events, fewer at the end. They stay the next ones. */
  async first(count: number): Promise<AbsentEvent[]> {
    await this.#has(count);
    return this.#events.slice(this.#next, this.#next + count);
  }

  /** The next events are done. */
  take(count: number): AbsentEvent[] {
    const taken = this.#events.slice(this.#next, this.#next + count);
    this.#next += taken.length;
    return taken;
  }

  #at(index: number): AbsentEvent {
    return this.#events[this.#next + index]!;
  }

  async #has(count: number): Promise<boolean> {
    while (this.#events.length - this.#next < count && !this.#isAtEnd) {
      const { value, done } = await this.#pages.next();
      if (done === true) this.#isAtEnd = true;
      else {
        this.#events = [...this.#events.slice(this.#next), ...value];
        this.#next = 0;
      }
    }
    return this.#events.length - this.#next >= count;
  }
}
