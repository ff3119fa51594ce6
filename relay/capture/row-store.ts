/**
 * Keeps rows as the bytes in which they arrived. The driver reuses its buffer, so rows are copied into slabs that many
 * transactions share. A slab is used again when the last of these has given its rows up: left to the garbage collector,
 * slabs of a fast stream lie about until 32 MiB and more of them have gathered.
 *
 * Promise: no slab is written to while rows in it may still be read. Rows that were given up are not read: that throws.
 *
 * The size of a row is checked here, before it becomes a text or an object. Of a row that is too large, only the columns
 * that identify the event are kept. So no row takes more memory from here on than the largest that is allowed.
 */
import { RelayError } from '../errors.ts';
import type { CapturedRow, CapturedRows, LeftOut, OutboxRow } from './transaction.ts';

/** For each column of the relation: its role for the relay, if it has one. */
export type ColumnRoles = readonly (keyof OutboxRow | undefined)[];

/**
 * Large enough to hold some thousand rows and to be allocated outside the pool of small buffers; small enough that a few
 * late rows keep little memory in use.
 */
const slabBytes = 1024 * 1024;

/** Half of what `capture.maxInFlightBytes` lets wait by default. A stream that keeps up needs two. */
const idleSlabsMax = 8;

/** If a row is too large, its columns larger than this are left out. */
const columnBytesMax = 64 * 1024;
/** How many bytes are kept of a large column that identifies the event. */
const beginningBytes = 1_000;

const kindNull = 0x6e; // n
/** A kind of our own, beside those of Postgres: the size of the column, the size of what is kept, and that part. */
const kindLeftOut = 0x78; // x

type MutableRow = { -readonly [Role in keyof OutboxRow]: string | null } & { leftOut?: LeftOut };

/** A row to fill; a column without a value stays NULL. */
export const emptyRow = (): Record<keyof OutboxRow, string | null> => ({
  id: null,
  aggregatetype: null,
  aggregateid: null,
  type: null,
  payload: null,
  headers: null,
  createdAt: null,
});

/** @param users lists of rows that have rows in it, and the store while it still writes to it */
type Slab = { readonly bytes: Buffer; users: number };

export class RowStore {
  readonly #maxRowBytes: number;
  readonly #idle: Slab[] = [];
  #slab: Slab = { bytes: Buffer.alloc(0), users: 1 };
  #end = 0;

  /** @param maxRowBytes of the columns that have a role */
  constructor(maxRowBytes: number) {
    this.#maxRowBytes = maxRowBytes;
  }

  /** Bytes kept for rows to come. */
  get idleBytes(): number {
    return this.#idle.length * slabBytes;
  }

  /** An empty list of rows of one relation, for `append` to fill. */
  newRows(): Rows {
    return new Rows(this);
  }

  /**
   * Copies `message` from `start`, where the tuple begins, and adds it to `rows`.
   * @returns how many bytes it takes
   */
  append(rows: Rows, message: Buffer, start: number, roles: ColumnRoles): number {
    if (message.length - start <= this.#maxRowBytes) {
      this.#copy(rows, message, start, roles, 0);
      return message.length;
    }
    const tuple = message.subarray(start);
    const rowBytes = bytesOf(tuple, roles);
    const isTooLarge = rowBytes > this.#maxRowBytes;
    const short = shorten(tuple, roles, isTooLarge);
    this.#copy(rows, short, 0, roles, isTooLarge ? rowBytes : 0);
    return short.length;
  }

  /** Takes back a slab from one of its users. */
  giveUp(slab: Slab): void {
    slab.users -= 1;
    if (slab.users > 0 || slab.bytes.length !== slabBytes || this.#idle.length >= idleSlabsMax) return;
    this.#idle.push(slab);
  }

  /** @param rowBytes of one that is too large; 0 for others */
  #copy(rows: Rows, message: Buffer, start: number, roles: ColumnRoles, rowBytes: number): void {
    const length = message.length - start;
    if (this.#end + length > this.#slab.bytes.length) {
      this.giveUp(this.#slab);
      this.#slab = this.#newSlab(length);
      this.#end = 0;
    }
    message.copy(this.#slab.bytes, this.#end, start);
    rows.push(this.#slab, this.#end, roles, rowBytes);
    this.#end += length;
  }

  #newSlab(leastBytes: number): Slab {
    const known = leastBytes > slabBytes ? undefined : this.#idle.pop();
    const slab = known ?? { bytes: Buffer.allocUnsafeSlow(Math.max(slabBytes, leastBytes)), users: 0 };
    slab.users = 1;
    return slab;
  }
}

/** Rows from `from` on, up to the next run, are in one slab and of one relation. */
type Run = { readonly from: number; readonly slab: Slab; readonly roles: ColumnRoles };

/**
 * Most transactions are a few rows in one slab, and a backlog holds tens of thousands of them: the first row and the first
 * run need no array, which would take more than the row.
 */
class Rows implements CapturedRows {
  readonly #store: RowStore;
  #length = 0;
  #firstStart = 0;
  /** Of the rows after the first. */
  #starts: number[] | undefined;
  #first: Run | undefined;
  #last: Run | undefined;
  /** All of them, where there are more than one: a table may be altered between two rows of a transaction. */
  #runs: Run[] | undefined;
  /** Sizes of the rows that are too large, by index. */
  #tooLarge: Map<number, number> | undefined;
  #isGivenUp = false;

  constructor(store: RowStore) {
    this.#store = store;
  }

  get length(): number {
    return this.#length;
  }

  /** @param rowBytes of one that is too large; 0 for others */
  push(slab: Slab, start: number, roles: ColumnRoles, rowBytes: number): void {
    const index = this.#length;
    if (rowBytes > 0) {
      this.#tooLarge ??= new Map();
      this.#tooLarge.set(index, rowBytes);
    }
    if (index === 0) this.#firstStart = start;
    else if (this.#starts === undefined) this.#starts = [start];
    else this.#starts.push(start);
    const last = this.#last;
    if (last === undefined || last.slab !== slab || last.roles !== roles)
      this.#begin({ from: index, slab, roles });
    this.#length = index + 1;
  }

  at(index: number): CapturedRow {
    const start = index === 0 ? this.#firstStart : this.#starts?.[index - 1];
    const run = this.#runs === undefined ? this.#first : runAt(this.#runs, index);
    if (run === undefined || start === undefined || this.#isGivenUp)
      throw new RelayError('INTERNAL', `there is no row ${index}`);
    return decodeTuple(run.slab.bytes, start, run.roles, this.#tooLarge?.get(index) ?? 0);
  }

  giveUp(): void {
    if (this.#isGivenUp) return;
    this.#isGivenUp = true;
    let before: Slab | undefined;
    for (const { slab } of this.#runs ?? (this.#first === undefined ? [] : [this.#first])) {
      if (slab !== before) this.#store.giveUp(slab);
      before = slab;
    }
  }

  #begin(run: Run): void {
    // A slab is filled from one transaction to the next, so its runs follow each other.
    if (run.slab !== this.#last?.slab) run.slab.users += 1;
    if (this.#first === undefined) this.#first = run;
    else if (this.#runs === undefined) this.#runs = [this.#first, run];
    else this.#runs.push(run);
    this.#last = run;
  }
}

/** The run that holds a row. They may be as many as the rows: those of two partitions with other columns, in turn. */
function runAt(runs: readonly Run[], index: number): Run | undefined {
  let [low, high] = [0, runs.length];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (runs[middle]!.from <= index) low = middle;
    else high = middle;
  }
  return runs[low];
}

/** A TupleData whose bounds were checked when it was captured: number of columns, then for each a kind and a value. */
function decodeTuple(slab: Buffer, start: number, roles: ColumnRoles, rowBytes: number): CapturedRow {
  const row: MutableRow = emptyRow();
  let leftOut: LeftOut = { rowBytes };
  let offset = start + 2;
  for (const role of roles) {
    const kind = slab[offset];
    offset += 1;
    if (kind === kindNull) continue;
    if (kind === kindLeftOut && role !== undefined) {
      leftOut = { ...leftOut, [role]: slab.readUInt32BE(offset) };
      offset += 4;
    }
    const end = offset + 4 + slab.readUInt32BE(offset);
    const isWhole = kind !== kindLeftOut;
    if (role !== undefined && (isWhole || isName(role))) {
      const text = slab.toString('utf8', offset + 4, end);
      row[role] = isWhole ? text : beginning(text);
    }
    offset = end;
  }
  if (rowBytes > 0) row.leftOut = leftOut;
  return row;
}

/** Whether the column identifies the event. Its beginning is kept, for people. */
function isName(role: keyof OutboxRow): boolean {
  return role !== 'payload' && role !== 'headers';
}

/** The cut may have split a character, which the decoder turns into U+FFFD. */
function beginning(text: string): string {
  return `${text.replace(/\uFFFD{1,3}$/, '')}…`;
}

/** Size of the columns that have a role. */
function bytesOf(tuple: Buffer, roles: ColumnRoles): number {
  let bytes = 0;
  forEachValue(tuple, roles, (role, start, end) => {
    if (role !== undefined) bytes += end - start;
  });
  return bytes;
}

/** Without the columns that have no role and, if the row is too large, without those that are large. */
function shorten(tuple: Buffer, roles: ColumnRoles, isTooLarge: boolean): Buffer {
  const parts: Buffer[] = [tuple.subarray(0, 2)];
  forEachValue(tuple, roles, (role, start, end) => {
    const bytes = end - start;
    if (role === undefined || start < 0) parts.push(Buffer.of(kindNull));
    else if (!isTooLarge || bytes <= columnBytesMax) parts.push(tuple.subarray(start - 5, end));
    else {
      const kept = isName(role) ? beginningBytes : 0;
      const head = Buffer.alloc(9);
      head[0] = kindLeftOut;
      head.writeUInt32BE(bytes, 1);
      head.writeUInt32BE(kept, 5);
      parts.push(head, tuple.subarray(start, start + kept));
    }
  });
  return Buffer.concat(parts);
}

/** Calls `take` with the bounds of each column's value; for NULL both are -1. */
function forEachValue(
  tuple: Buffer,
  roles: ColumnRoles,
  take: (role: keyof OutboxRow | undefined, start: number, end: number) => void,
): void {
  let offset = 2;
  for (const role of roles) {
    const isNull = tuple[offset] === kindNull;
    offset += 1;
    if (isNull) {
      take(role, -1, -1);
      continue;
    }
    const start = offset + 4;
    offset = start + tuple.readUInt32BE(offset);
    take(role, start, offset);
  }
}

export type { Rows };
