/**
 * Keeps rows as the bytes in which they arrived. The driver reuses its buffer, so rows are copied into slabs that many
 * transactions share. A slab is freed when the last of these is published.
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

export class RowStore {
  readonly #maxRowBytes: number;
  #slab: Buffer = Buffer.alloc(0);
  #end = 0;

  /** @param maxRowBytes of the columns that have a role */
  constructor(maxRowBytes: number) {
    this.#maxRowBytes = maxRowBytes;
  }

  /** An empty list of rows of one relation, for `append` to fill. */
  newRows(): Rows {
    return new Rows();
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

  /** @param rowBytes of one that is too large; 0 for others */
  #copy(rows: Rows, message: Buffer, start: number, roles: ColumnRoles, rowBytes: number): void {
    const length = message.length - start;
    if (this.#end + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, length));
      this.#end = 0;
    }
    message.copy(this.#slab, this.#end, start);
    rows.push(this.#slab, this.#end, roles, rowBytes);
    this.#end += length;
  }
}

class Rows implements CapturedRows {
  readonly #slabs: Buffer[] = [];
  readonly #starts: number[] = [];
  /** One for each row: a table may be altered between two rows of a transaction. */
  readonly #roles: ColumnRoles[] = [];
  /** Sizes of the rows that are too large, by index. */
  readonly #tooLarge = new Map<number, number>();

  get length(): number {
    return this.#starts.length;
  }

  /** @param rowBytes of one that is too large; 0 for others */
  push(slab: Buffer, start: number, roles: ColumnRoles, rowBytes: number): void {
    if (rowBytes > 0) this.#tooLarge.set(this.#starts.length, rowBytes);
    this.#slabs.push(slab);
    this.#starts.push(start);
    this.#roles.push(roles);
  }

  at(index: number): CapturedRow {
    const slab = this.#slabs[index];
    const start = this.#starts[index];
    const roles = this.#roles[index];
    if (slab === undefined || start === undefined || roles === undefined)
      throw new RelayError('INTERNAL', `there is no row ${index}`);
    return decodeTuple(slab, start, roles, this.#tooLarge.get(index) ?? 0);
  }
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
