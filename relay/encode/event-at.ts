/** A dead letter as the event it was, for the encoder. */
import type { CapturedRow, CommittedTransaction } from '../capture/transaction.ts';
import type { Position } from '../model/position.ts';

/** @param committedAtMs becomes the record's timestamp */
export function eventAt(
  { commitLsn, ordinal }: Position,
  row: CapturedRow,
  committedAtMs: number,
): CommittedTransaction {
  return {
    commitLsn,
    endLsn: null,
    xid: 0,
    committedAtMs,
    firstOrdinal: ordinal,
    rows: { length: 1, at: () => row },
    bytes: 0,
  };
}
