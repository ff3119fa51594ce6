/** What the audit compares: events of the table and records of the topics. */
import type { RowPlace } from './row-places.ts';

export type AuditedEvent = {
  readonly id: string;
  /** undefined if the event routes to no allowed topic. */
  readonly topic: string | undefined;
  /** null if the table has no such column. */
  readonly createdAtMs: number | null;
  /** Where its row is, if it is to be compared. */
  readonly place?: RowPlace;
};

export type AuditedRecord = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly committedAtMs: number;
  readonly key: string | null;
  /** Headers; undefined if absent. */
  readonly id: string | undefined;
  readonly position: string | undefined;
  /** What the record says of a replay that wrote it. */
  readonly replay?: RecordOfReplay | undefined;
  /** Why the value cannot be decoded. */
  readonly fault: string | undefined;
  /** undefined if it was written without a transaction. */
  readonly producerId: bigint | undefined;
};

export type RecordOfReplay = {
  readonly id: string;
  /** When it was sent; NaN if the header is missing or no time. */
  readonly atMs: number;
};

/** An event of the snapshot, and where its rows are. */
export type RowsOfEvent = {
  readonly id: string;
  readonly places: readonly RowPlace[];
  /** NaN if the table has no such column. */
  readonly createdAtMs: number;
};
