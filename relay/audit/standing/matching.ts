/**
 * Matches the rows of the table with the records of the topics, by id, while both are read. Pure. What has found its
 * counterpart is forgotten at once, so memory holds only what one side is ahead of the other.
 *
 * It decides nothing about what stays open: `window.ts` does, once it knows that the other side was read far enough. Two
 * things it decides: a second record of one id and position is a duplicate if the first is still open, and a record is
 * *late* if its position is not above every earlier one of its partition. The relay publishes in commit order, so a record
 * that is late is out of order or comes a second time, unless a released key explains it.
 */
import { RelayError } from '../../errors.ts';
import type { Origin } from '../origin.ts';

export type OpenRow = {
  readonly id: string;
  /** undefined if the event routes to no allowed topic. */
  readonly topic: string | undefined;
  /** NaN if the table has no such column. */
  readonly createdAtMs: number;
  readonly origin: Origin;
  /** Of its transaction, as Postgres prints it. */
  readonly xid?: string;
  /** Whether it is known to be written in this database (`letter-meaning.ts`). */
  readonly isOfHere?: boolean;
  /** No row of this window: a released event, whose row an earlier one has counted. */
  readonly isRelease?: boolean;
  /** The next row of the same id. */
  next?: OpenRow | undefined;
};

export type OpenRecord = {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly position: string;
  readonly committedAtMs: number;
  /** The position that it should follow, if it does not. */
  readonly after: string | undefined;
  /** Number of the window that read it. */
  readonly window: number;
  /** Of another publisher only: why its value cannot be decoded, and who wrote it. It counts once it is known whose it is. */
  readonly fault?: string | undefined;
  readonly producerId?: bigint | undefined;
  /** The next record of the same id. */
  next?: OpenRecord | undefined;
};

/** What came of a record. */
export type Verdict = 'matched' | 'open' | 'duplicate';

export class Matching {
  readonly #rows = new Map<string, OpenRow>();
  readonly #records = new Map<string, OpenRecord>();
  /** By `topic/partition`: the highest position so far. */
  readonly #floors: Map<string, string>;
  readonly #onMatch: (record: OpenRecord, row: OpenRow) => void;
  #openRows = 0;
  #openRecords = 0;

  /** @param onMatch called with each pair */
  constructor(floors: ReadonlyMap<string, string>, onMatch: (record: OpenRecord, row: OpenRow) => void) {
    this.#floors = new Map(floors);
    this.#onMatch = onMatch;
  }

  get openRows(): number {
    return this.#openRows;
  }

  get openRecords(): number {
    return this.#openRecords;
  }

  get floors(): ReadonlyMap<string, string> {
    return this.#floors;
  }

  /** Raises the floor of the partition. @returns the position that the record should follow and does not */
  follow(topic: string, partition: number, position: string): string | undefined {
    const name = `${topic}/${partition}`;
    const floor = this.#floors.get(name);
    if (floor !== undefined && position <= floor) return floor;
    this.#floors.set(name, position);
    return undefined;
  }

  /** Whether a row of the id, which routes to the topic, waits for its record. */
  hasRow(id: string, topic: string): boolean {
    return [...listed(this.#rows.get(id))].some((row) => row.topic === topic);
  }

  addRow(row: OpenRow): void {
    const record = this.#records.get(row.id);
    if (record !== undefined) {
      this.remove(record);
      this.#onMatch(record, row);
      return;
    }
    row.next = this.#rows.get(row.id);
    this.#rows.set(row.id, row);
    this.#openRows += 1;
  }

  addRecord(record: OpenRecord): Verdict {
    const row = this.#rows.get(record.id);
    if (row !== undefined) {
      if (row.next === undefined) this.#rows.delete(record.id);
      else this.#rows.set(record.id, row.next);
      this.#openRows -= 1;
      this.#onMatch(record, row);
      return 'matched';
    }
    const first = this.#records.get(record.id);
    for (let each = first; each !== undefined; each = each.next)
      if (each.position === record.position) return 'duplicate';
    record.next = first;
    this.#records.set(record.id, record);
    this.#openRecords += 1;
    return 'open';
  }

  /** Takes an open record away. */
  remove(record: OpenRecord): void {
    const rest = [...listed(this.#records.get(record.id))].filter((each) => each !== record);
    this.#openRecords -= 1;
    if (rest.length === 0) {
      this.#records.delete(record.id);
      return;
    }
    rest.forEach((each, index) => {
      each.next = rest[index + 1];
    });
    this.#records.set(record.id, rest[0]!);
  }

  /** Takes all open rows away, some at a time. */
  *takeRows(most: number): Generator<OpenRow[]> {
    let some: OpenRow[] = [];
    for (const [id, first] of this.#rows) {
      for (const row of listed(first)) some.push(row);
      this.#rows.delete(id);
      if (some.length < most) continue;
      this.#openRows -= some.length;
      yield some;
      some = [];
    }
    this.#openRows -= some.length;
    if (some.length > 0) yield some;
  }

  *records(): Generator<OpenRecord> {
    for (const first of this.#records.values()) yield* listed(first);
  }
}

function* listed<T extends { next?: T | undefined }>(first: T | undefined): Generator<T> {
  for (let each = first; each !== undefined; each = each.next) yield each;
}

/** What to throw where memory would hold too much of either side. */
export function tooFarApart(rows: number, records: number): RelayError {
  return new RelayError(
    'AUDIT_TOO_FAR_APART',
    `${rows} rows and ${records} records wait for their counterparts, more than memory may hold`,
  );
}
