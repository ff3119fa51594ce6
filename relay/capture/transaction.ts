/** What capture gives: the types that encode and the relay work on. */
import type { RelayError } from '../errors.ts';
import type { Lsn } from '../model/position.ts';

/** A row of the outbox table as text, exactly as Postgres printed it. `null` is SQL NULL. */
export type OutboxRow = {
  readonly id: string | null;
  readonly aggregatetype: string | null;
  readonly aggregateid: string | null;
  readonly type: string | null;
  readonly payload: string | null;
  /** JSON text; null also where the table has no such column. */
  readonly headers: string | null;
  readonly createdAt: string | null;
};

/**
 * Of a row that is larger than `publish.maxRowBytes`: its bytes, and those of each column of which it holds no more than the
 * beginning. Such an event can only be refused.
 */
export type LeftOut = { readonly rowBytes: number } & { readonly [Role in keyof OutboxRow]?: number };

/** Of a row that Postgres cannot give as text, which never comes on the stream: what is missing of it, and where it is. */
export type Unreadable = {
  /** Of each column that cannot be read, as far as they can be counted. */
  readonly bytes: { readonly [Role in keyof OutboxRow]?: number };
  readonly sqlState: string;
  /** Where it is, and why. */
  readonly message: string;
  readonly table: string;
  /** Its ctid. */
  readonly place: string;
  /** Stands for an id that cannot be read; null where it can be. */
  readonly idDigest: string | null;
};

export type CapturedRow = OutboxRow & { readonly leftOut?: LeftOut; readonly unreadable?: Unreadable };

/**
 * Rows as they came, made into text one at a time when asked for: as objects they would take four times the memory, on
 * the heap, for as long as they wait.
 */
export interface CapturedRows {
  readonly length: number;
  /** Decodes row `index`; from 0, below `length`. */
  at(index: number): CapturedRow;
}

/**
 * A committed Postgres transaction, in commit order. One with more rows or bytes than capture's limit comes in several
 * parts, which share `commitLsn` and follow each other with nothing in between.
 */
export type CommittedTransaction = {
  /** LSN of the commit record: orders transactions. */
  readonly commitLsn: Lsn;
  /** First byte after the commit record; null while more parts are to come. */
  readonly endLsn: Lsn | null;
  readonly xid: number;
  /** Commit time, ms since 1970 (Postgres keeps µs; Kafka's record timestamp is ms). */
  readonly committedAtMs: number;
  /** Ordinal of the first of `rows` in the transaction. */
  readonly firstOrdinal: number;
  readonly rows: CapturedRows;
  /** Bytes that the rows took on the wire: what back-pressure counts. */
  readonly bytes: number;
  /** Number of our heartbeat, where this transaction is one. */
  readonly beat?: number;
  /**
   * Requests to release a parked key, where this transaction holds some: numbers of `outbox.key_release`. Of a transaction
   * in parts they come with the last, so that they take effect exactly if the progress covers the transaction whole.
   */
  readonly releases?: readonly number[];
  /**
   * Why rows of it cannot be read as events, as where a mapped column is missing. `rows` is empty then. It takes its place
   * in the order, so that what came before is published, and counts only if the transaction is not published yet.
   */
  readonly fault?: RelayError;
};
