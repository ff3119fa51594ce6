/** The tail of a connector's slot: what was committed after the position that it has confirmed, in the order of commits. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Capture } from '../../capture/capture.ts';
import type { CommittedTransaction } from '../../capture/transaction.ts';
import type { Lsn } from '../../model/position.ts';

/** How long an answer of the server may take; then it is asked again. */
const answerMs = 1_000;
/** Between two questions where the server has decoded everything that is written, and not yet all that is wanted. */
const lookMs = 20;

/**
 * The transactions that are committed before `until`, or parts of large ones. Nothing is acknowledged, so the slot stays
 * where it is.
 * @param until a position that the server has passed already
 * @throws RelayError the failure of the stream; OUTBOX_TABLE_INVALID for rows without a mapped column
 */
export async function* readTail(
  capture: Capture,
  until: Lsn,
  signal: AbortSignal | undefined,
): AsyncGenerator<CommittedTransaction> {
  const { inbox } = capture;
  for (;;) {
    signal?.throwIfAborted();
    const transaction = inbox.peek();
    if (transaction !== undefined) {
      if (transaction.commitLsn >= until) break;
      if (transaction.fault !== undefined) throw transaction.fault;
      yield transaction;
      inbox.shift();
      inbox.release(transaction.bytes);
    } else if (capture.serverLsn >= until) break;
    else {
      await Promise.race([inbox.arrival(), capture.flush(answerMs)]);
      if (inbox.peek() === undefined && capture.serverLsn < until)
        await Promise.race([inbox.arrival(), delay(lookMs)]);
    }
  }
}
