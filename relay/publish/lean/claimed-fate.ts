/**
 * Decides from the claims in the progress topic how a transaction of an earlier session ended. The relay that took over
 * from that session found what it had committed, and said so with its claim: whatever was committed is covered by the last
 * progress before the next claim.
 *
 * The progress of today tells less. It covers events that an aborted transaction held if they have become dead letters
 * since.
 */
import { parsePosition } from '../../model/position.ts';
import { parseProgress, publishedEvents } from '../../model/progress.ts';
import type { Claim } from '../progress-topic.ts';
import type { FetchedRecord } from '../wire/fetch.ts';

/**
 * @param record of an event, of the producer that wrote the last of the claims
 * @param claims in the order of the log, the last one that of this session
 * @returns undefined if that cannot be told
 * @throws RelayError PROGRESS_UNREADABLE
 */
export function wasCommitted(
  { headers, producerId, producerEpoch = Number.POSITIVE_INFINITY }: FetchedRecord,
  claims: readonly Claim[],
): boolean | undefined {
  const header = headers.find(([name]) => name === 'position')?.[1]?.toString();
  const position = parsePosition(header ?? '');
  // A claim of which nobody knows what it found says nothing, and the next one found at least as much. That of this session
  // found none, or the session would not have begun.
  const next = claims.find(
    (claim, at) =>
      claim.producerId === producerId &&
      claim.producerEpoch > producerEpoch &&
      (claim.found !== undefined || at === claims.length - 1),
  );
  if (position === undefined || next === undefined) return undefined;
  const { found } = next;
  if (found === undefined || found === null) return false;
  // With a transaction, its progress would have been committed. This holds for released events too, whose positions were
  // covered long before. A transaction of protocol 1 may share its epoch with one that was committed.
  const isCovered = position.ordinal < publishedEvents(parseProgress(found.text), position.commitLsn);
  if (isCovered && found.producerEpoch === undefined) return undefined;
  return isCovered && found.producerId === producerId && producerEpoch <= found.producerEpoch!;
}
