/**
 * Feeds the rows of the table into the matching: some ahead of the records, so that most match at once, and the rest once
 * all records are read. Promise: memory never holds the rows of a whole table, however few records there are.
 */
import type { Matching, OpenRow } from './matching.ts';
import { idsMost } from './window-means.ts';

/** Rows that are read ahead of the records. */
const rowsAhead = 20_000;

export class RowFeed<Row> {
  readonly #matching: Matching;
  readonly #pages: AsyncIterator<readonly Row[]>;
  readonly #take: (rows: readonly Row[]) => void | Promise<void>;
  #hasAll = false;

  /** @param take adds the rows of a page to the matching */
  constructor(
    matching: Matching,
    pages: AsyncIterator<readonly Row[]>,
    take: (rows: readonly Row[]) => void | Promise<void>,
  ) {
    this.#matching = matching;
    this.#pages = pages;
    this.#take = take;
  }

  /** Whether the table is read to its end. */
  get hasAll(): boolean {
    return this.#hasAll;
  }

  async next(): Promise<void> {
    const { done, value } = await this.#pages.next();
    if (done === true) this.#hasAll = true;
    else await this.#take(value);
  }

  /** Call it before records are added. */
  async ahead(): Promise<void> {
    while (!this.#hasAll && this.#matching.openRows < rowsAhead) await this.next();
  }

  /** Takes away what has no record, some at a time, to the end of the table. Call it once every record is added. */
  async *unmatched(): AsyncGenerator<readonly OpenRow[]> {
    do {
      yield* this.#matching.takeRows(idsMost);
      if (!this.#hasAll) await this.next();
    } while (!this.#hasAll || this.#matching.openRows > 0);
  }
}
