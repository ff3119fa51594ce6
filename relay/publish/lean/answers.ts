/**
 * Decides what the answers to the requests of a transaction mean. Pure. Every answer that is not exactly as expected is
 * an error: a missing partition, or an offset that shows that the broker took a batch for a duplicate.
 */
import { RelayError } from '../../errors.ts';
import { recordsRefused } from '../failed-transaction.ts';
import {
  type AddPartitionsAnswer,
  type EndTxnAnswer,
  type ProduceAnswer,
  protocolError,
} from '../wire/kafkajs-internals.ts';
import type { Placed } from './produce-plan.ts';
import type { Sequences } from './sequences.ts';

const concurrentTransactions = 51;
/** Partitions that the coordinator skipped because it refused another one of the request. */
const operationNotAttempted = 55;

/** Common between two transactions, and thrown several times then. Made once: its stack costs more than the request. */
const busyError = protocolError(concurrentTransactions);

/** @throws the error of the partition that caused the refusal */
export function checkAdded({ errors }: AddPartitionsAnswer): void {
  const codes = errors.flatMap(({ partitionErrors }) => partitionErrors.map(({ errorCode }) => errorCode));
  const failed = codes.filter((code) => code !== 0);
  const cause = failed.find((code) => code !== operationNotAttempted) ?? failed[0];
  if (cause !== undefined) throw cause === concurrentTransactions ? busyError : protocolError(cause);
}

/**
 * Checks that each batch of a request was appended, and only once.
 * @throws RelayError PUBLISH_REFUSED, PUBLISH_UNCERTAIN; the client's error for any other code
 */
export function checkProduced(
  placed: readonly Placed[],
  { topics }: ProduceAnswer,
  sequences: Sequences,
): void {
  const answers = new Map<string, { readonly errorCode: number; readonly baseOffset: string }>();
  for (const { topicName, partitions } of topics)
    for (const answer of partitions) answers.set(`${topicName}/${answer.partition}`, answer);
  for (const { topic, partition, batch } of placed) {
    const name = `${topic}/${partition}`;
    const answer = answers.get(name);
    if (answer === undefined) throw uncertain(`the answer to Produce does not name ${name}`);
    if (answer.errorCode !== 0) throw refusedBy(topic, answer.errorCode);
    if (!sequences.rises(name, BigInt(answer.baseOffset), batch.count))
      throw uncertain(
        `${name} answered with offset ${answer.baseOffset}, which is not beyond the last one: the broker took the batch for a duplicate`,
      );
  }
}

/** The transaction is committed when, and only when, this returns. @throws the client's error */
export function checkCommitted({ errorCode }: EndTxnAnswer): void {
  if (errorCode !== 0) throw protocolError(errorCode);
}

function refusedBy(topic: string, errorCode: number): Error {
  const error = protocolError(errorCode);
  return recordsRefused(error, topic) ?? error;
}

export function uncertain(message: string): RelayError {
  return new RelayError('PUBLISH_UNCERTAIN', message);
}
