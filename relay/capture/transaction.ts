/** What capture delivers: the types that encode and the stream work on. */
import type { RelayError } from '../errors.ts';
import type { Lsn } from '../model/position.ts';

/** A row of the outbox table as text, exactly as Postgres printed it. `null` is SQL NULL. */
export type OutboxRow = {
  readonly id: string | null;
  readonly aggregatetype: string | null;
  readonly aggregateid: string | null;
  readonly type: string | null;
  readonly payload: string | null;
  /** JSON text; null also if the table has no such column. */
  readonly headers: string | null;
  readonly createdAt: string | null;
};

/**
 * For a row larger than `publish.maxRowBytes`: its size, and the size of each column of which at most the beginning is kept.
 * Such an event can only be refused.
 */
export type LeftOut = { readonly rowBytes: number } & { readonly [Role in keyof OutboxRow]?: number };

/** For a row that Postgres cannot return as text, so that it never arrives on the stream: what it lacks, and its place. */
export type Unreadable = {
  /** Size of each column that cannot be read, as far as it is known. */
  readonly bytes: { readonly [Role in keyof OutboxRow]?: number };
  readonly sqlState: string;
  /** Where the row is, and why it cannot be read. */
  readonly message: string;
  readonly table: string;
  /** Its `ctid`. */
  readonly place: string;
  /** Stands for an id that cannot be read; null if it can be read. */
  readonly idDigest: string | null;
};

export type CapturedRow = OutboxRow & { readonly leftOut?: LeftOut; readonly unreadable?: Unreadable };

/**
 * Rows as they arrived. `at` turns one into text when it is needed: as objects they would take four times the memory, on
 * the heap, while they wait.
 */
export interface CapturedRows {
  readonly length: number;
  /** Decodes row `index`, from 0 up to `length`. @throws RelayError INTERNAL after `giveUp` */
  at(index: number): CapturedRow;
  /** The rows are not needed any more: their memory is used for others. Without it, they are kept as long as the list. */
  giveUp(): void;
}

/**
 * A committed Postgres transaction, in commit order. One with more rows or bytes than the limit of capture arrives in
 * several parts, which share `commitLsn` and follow each other directly.
 */
export type CommittedTransaction = {
  /** LSN of the commit record: orders transactions. */
  readonly commitLsn: Lsn;
  /** First byte after the commit record; null if more parts follow. */
  readonly endLsn: Lsn | null;
  readonly xid: number;
  /** Commit time, ms since 1970 (Postgres keeps µs; Kafka's record timestamp is ms). */
  readonly committedAtMs: number;
  /** Ordinal of the first of `rows` in the transaction. */
  readonly firstOrdinal: number;
  readonly rows: CapturedRows;
  /** Bytes of the rows on the wire; back-pressure counts them. */
  readonly bytes: number;
  /** When the last of it arrived, in ms on the monotonic clock; undefined where it did not come from the stream. */
  receivedMs?: number | undefined;
  /** Number of our heartbeat, if this transaction is one. */
  readonly beat?: number | undefined;
  /**
   * Requests to release a parked key, if this transaction holds any: numbers of `outbox.key_release`. The last part of a
   * transaction has all of them, so they take effect exactly if the progress covers the whole transaction.
   */
  readonly releases?: readonly number[] | undefined;
  /**
   * Why its rows cannot be read as events, for example because a mapped column is missing. `rows` is then empty. It keeps
   * its place in the order, so that what came before is published. It counts only if the transaction is not published yet.
   */
  readonly fault?: RelayError | undefined;
};
