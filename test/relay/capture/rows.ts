/** Makes captured rows of plain objects, and plain objects of captured rows. */
import { emptyRow } from '../../../relay/capture/row-store.ts';
import type {
  CapturedRow,
  CapturedRows,
  CommittedTransaction,
  OutboxRow,
} from '../../../relay/capture/transaction.ts';

export const blankRow: OutboxRow = emptyRow();

export const rowsFrom = (rows: readonly OutboxRow[]): CapturedRows => ({
  length: rows.length,
  at: (index) => rows[index] ?? blankRow,
  giveUp: () => {},
});

export const rowsOf = ({ rows }: Pick<CommittedTransaction, 'rows'>): CapturedRow[] =>
  Array.from({ length: rows.length }, (_, index) => rows.at(index));

/** A whole transaction at `commitLsn` with `count` blank rows. */
export const transactionOf = (
  commitLsn: bigint,
  count = 0,
  more: Partial<CommittedTransaction> = {},
): CommittedTransaction => ({
  commitLsn,
  endLsn: commitLsn + 1n,
  xid: 1,
  committedAtMs: 0,
  firstOrdinal: 0,
  rows: rowsFrom(Array.from({ length: count }, () => blankRow)),
  bytes: count * 10,
  ...more,
});
