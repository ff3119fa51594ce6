/**
 * Keeps rows as the bytes they came in. The driver reuses its buffer, so they are copied, into slabs that many
 * transactions share; a slab goes when the last of them is published.
 */
import { RelayError } from '../errors.ts';
import type { CapturedRows, OutboxRow } from './transaction.ts';

/** For each column of the relation, the role it has for the relay, if any. */
export type ColumnRoles = readonly (keyof OutboxRow | undefined)[];

/**
 * Large enough that a slab holds some thousand rows and is allocated outside the pool of small buffers, small enough
 * that a few stragglers keep little alive.
 */
const slabBytes = 1024 * 1024;

type MutableRow = { -readonly [Role in keyof OutboxRow]: string | null };

export class RowStore {
  #slab: Buffer = Buffer.alloc(0);
  #end = 0;

  /** An empty list of rows of one relation; it is filled by `append`. */
  newRows(): Rows {
    return new Rows();
  }

  /** Copies `message` from `start`, where the tuple begins, and adds it to `rows`. */
  append(rows: Rows, message: Buffer, start: number, roles: ColumnRoles): void {
    const length = message.length - start;
    if (this.#end + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, length));
      this.#end = 0;
    }
    message.copy(this.#slab, this.#end, start);
    rows.push(this.#slab, this.#end, roles);
    this.#end += length;
  }
}

class Rows implements CapturedRows {
  readonly #slabs: Buffer[] = [];
  readonly #starts: number[] = [];
  /** Of each row, since a table may be altered between two rows of one transaction. */
  readonly #roles: ColumnRoles[] = [];

  get length(): number {
    return this.#starts.length;
  }

  push(slab: Buffer, start: number, roles: ColumnRoles): void {
    this.#slabs.push(slab);
    this.#starts.push(start);
    this.#roles.push(roles);
  }

  at(index: number): OutboxRow {
    const slab = this.#slabs[index];
    const start = this.#starts[index];
    const roles = this.#roles[index];
    if (slab === undefined || start === undefined || roles === undefined)
      throw new RelayError('INTERNAL', `there is no row ${index}`);
    return decodeTuple(slab, start, roles);
  }
}

/** A TupleData whose bounds were checked when it was captured: number of columns, then for each a kind and a value. */
function decodeTuple(slab: Buffer, start: number, roles: ColumnRoles): OutboxRow {
  const row: MutableRow = {
    id: null,
    aggregatetype: null,
    aggregateid: null,
    type: null,
    payload: null,
    headers: null,
    createdAt: null,
  };
  let offset = start + 2;
  for (const role of roles) {
    const isNull = slab[offset] === 0x6e; // n
    offset += 1;
    if (isNull) continue;
    const end = offset + 4 + slab.readUInt32BE(offset);
    if (role !== undefined) row[role] = slab.toString('utf8', offset + 4, end);
    offset = end;
  }
  return row;
}

export type { Rows };
