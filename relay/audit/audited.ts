/** What the audit compares: events of the table, records of the topics. */
import type { RowPlace } from './row-places.ts';

export type AuditedEvent = {
  readonly id: string;
  /** undefined where the event routes to no allowed topic. */
  readonly topic: string | undefined;
  /** null where the table has no such column. */
  readonly createdAtMs: number | null;
  /** Where its row lies, if it is to be compared. */
  readonly place?: RowPlace;
};

export type AuditedRecord = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly committedAtMs: number;
  readonly key: string | null;
  /** Headers; undefined where absent. */
  readonly id: string | undefined;
  readonly position: string | undefined;
  /** Why the value cannot be decoded. */
  readonly fault: string | undefined;
  /** undefined where it was written without a transaction. */
  readonly producerId: bigint | undefined;
};

/** An event of the snapshot, with where its rows lie. */
export type RowsOfEvent = {
  readonly id: string;
  readonly places: readonly RowPlace[];
  /** NaN where the table has no such column. */
  readonly createdAtMs: number;
};
