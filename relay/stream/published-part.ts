/**
 * Owns which events of the stream are published already. No loss and no double rest on it: a session begins before what
 * the progress covers, and Postgres sends that again. Pure.
 */
import type { CommittedTransaction } from '../capture/transaction.ts';
import { type Progress, publishedEvents } from '../model/progress.ts';

/**
 * @param claimed the progress as the session found it: a later one would cover the session's own parts of a transaction
 * @returns how many leading events of a transaction, or of a part of one, are published; `all` where it has nothing else
 */
export function publishedPart(
  claimed: Progress,
  { commitLsn, firstOrdinal, rows, fault }: CommittedTransaction,
): number | 'all' {
  const published = publishedEvents(claimed, commitLsn) - firstOrdinal;
  // How many rows a faulty transaction has is unknown, so a part of them never counts as all.
  const atLeast = fault === undefined ? Math.max(1, rows.length) : Number.POSITIVE_INFINITY;
  return published >= atLeast ? 'all' : Math.max(0, published);
}
