/** What the stream says of events to listeners: where they are and where they go, never what is in them. */
import type { CommittedTransaction } from '../capture/transaction.ts';
import { ownHeader } from '../encode/headers.ts';
import { type EncodedEvent, isRefusal, type OutboundRecord, type Refusal } from '../encode/record.ts';
import type { Facts, RecordFact, RefusedEvent } from '../observe/facts.ts';
import { parseTraceparent, traceparentHeader } from '../observe/trace-context.ts';

/** @param skip events of it that are published already */
export function capturedFact(
  { commitLsn, committedAtMs, rows, bytes }: CommittedTransaction,
  skip: number,
): Facts['captured'] {
  return { commitLsn, committedAtMs, events: Math.max(0, rows.length - skip), bytes };
}

export function encodedFact(
  { commitLsn, committedAtMs }: CommittedTransaction,
  encoded: readonly EncodedEvent[],
): Facts['encoded'] {
  const records: RecordFact[] = [];
  const refused: RefusedEvent[] = [];
  for (const event of encoded) {
    if (isRefusal(event)) refused.push(refusedEvent(event));
    else records.push(recordFact(event));
  }
  return { commitLsn, committedAtMs, records, refused };
}

export function refusedEvent({ position, code, topic, row }: Refusal): RefusedEvent {
  const { commitLsn, ordinal } = position;
  const traceId = parseTraceparent(ownHeader(row.headers, traceparentHeader) ?? '')?.traceId;
  return { commitLsn, ordinal, code, topic, traceId };
}

function recordFact({ topic, partition, headers }: OutboundRecord): RecordFact {
  return { topic, partition, position: headers.position ?? '' };
}
