/**
 * Owns the event: one row with its position. Its position is worked out here and nowhere else; no loss, no double and the
 * order of a key rest on it, since the progress counts events by it.
 */
import type { Position } from '../model/position.ts';
import type { CapturedRow, CommittedTransaction } from './transaction.ts';

export type OutboxEvent = {
  readonly position: Position;
  /** Commit time in Postgres, ms since 1970: the timestamp of its record. */
  readonly committedAtMs: number;
  readonly row: CapturedRow;
};

/** Events in order. An array of them is one. */
export interface OutboxEvents {
  readonly length: number;
  /** From 0, below `length`. Decodes the row of a captured event each time. */
  at(index: number): OutboxEvent | undefined;
}

/** The events of a transaction, or of a part of one, without the first `skip`. */
export function eventsOf(
  { commitLsn, committedAtMs, firstOrdinal, rows }: CommittedTransaction,
  skip: number,
): OutboxEvents {
  return {
    length: Math.max(0, rows.length - skip),
    at: (index) => ({
      position: { commitLsn, ordinal: firstOrdinal + skip + index },
      committedAtMs,
      row: rows.at(skip + index),
    }),
  };
}
