/**
 * Owns when a Postgres transaction that comes in parts is split: where its Kafka transaction would run into the timeout, or
 * exceed a limit of the settings, or would have to stay open while the stream stands still for a pause. Pure.
 */
import type { CommittedTransaction } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { transactionLimits } from '../config/part-limits.ts';
import type { OutboundRecord } from '../encode/record.ts';
import { splitHeader } from '../encode/split-header.ts';
import type { Lsn } from '../model/position.ts';
import type { Decision } from '../refusals/refusals.ts';
import type { Filling } from './filling.ts';
import type { OpenTransaction } from './open-transaction.ts';

export type SplitReason = 'time' | 'limit' | 'pause';

/** Half of the timeout: the last part, the commit and a slow moment of the brokers take the other half at most. */
export const openForMs = ({ transactionTimeoutMs }: Pick<Config['kafka'], 'transactionTimeoutMs'>): number =>
  transactionTimeoutMs / 2;

/** When the open transaction is to end, if the next part takes as long as those before took on average. */
export const endsAtMs = (
  { begunMs, parts }: Pick<OpenTransaction, 'begunMs' | 'parts'>,
  openMs: number,
): number => begunMs + (openMs * parts) / (parts + 1);

/** A split that is asked for, of one Postgres transaction: the next one has nothing to do with it. */
export type Asked = { readonly reason: SplitReason; readonly commitLsn: Lsn };

/** With another request: of one transaction the first counts, and the one before has ended where the next is within. */
export function asking(before: Asked | undefined, request: Asked): Asked {
  return before?.commitLsn === request.commitLsn ? before : request;
}

/**
 * The Postgres transaction of which more will come, while part of it is written or about to be.
 * @param batches the one that fills before the one that is being written
 */
export function within(
  open: OpenTransaction | undefined,
  batches: readonly (Filling | undefined)[],
): Lsn | undefined {
  const latest = batches.find((filling) => filling?.covered !== undefined) ?? open;
  return latest?.covered?.partial?.commitLsn;
}

/** What is in the Kafka transaction of a part, or will be: written, being written, or waiting to be. */
export function aheadOf(
  part: CommittedTransaction,
  open: OpenTransaction | undefined,
  batches: readonly (Filling | undefined)[],
): { readonly events: number; readonly bytes: number } {
  const isOwn = (each: OpenTransaction | Filling | undefined) =>
    each?.covered?.partial?.commitLsn === part.commitLsn;
  // The last part of another one may still be on its way to Kafka.
  const ahead = isOwn(open) ? { events: open!.events, bytes: open!.bytes } : { events: 0, bytes: 0 };
  for (const filling of batches) {
    if (filling === undefined || !isOwn(filling)) continue;
    ahead.events += filling.batch.events;
    ahead.bytes += filling.batch.bytes;
  }
  return ahead;
}

/** Whether a part would take its Kafka transaction beyond the limits. */
export function exceeds(
  part: Pick<CommittedTransaction, 'rows' | 'bytes'>,
  ahead: { readonly events: number; readonly bytes: number },
  publish: Config['publish'],
): boolean {
  const most = transactionLimits(publish);
  return (
    ahead.events > 0 &&
    (ahead.events + part.rows.length > most.events || ahead.bytes + part.bytes > most.bytes)
  );
}

/** What the mark adds to a record: its name, its value and their lengths. */
const markBytes = splitHeader.length + 'true'.length + 4;

/** Tells consumers that earlier events of the Postgres transaction are in an earlier Kafka transaction. */
export const marked = (decision: Decision): Decision => ({
  ...decision,
  records: decision.records.map(withMark),
});

/** A record that is as large as its topic takes goes without. */
function withMark(record: OutboundRecord): OutboundRecord {
  const bytes = record.bytes + markBytes;
  if (bytes > record.maxBatchBytes) return record;
  return { ...record, bytes, headers: { ...record.headers, [splitHeader]: 'true' } };
}
