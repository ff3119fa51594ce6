/** What it means that Kafka refuses a transaction or its records, and what to do about it. Pure. */

import { kafkaErrorType } from '../connect/kafka.ts';
import { RelayError } from '../errors.ts';

/** Answers to records that stay the same however often they are sent, and what to change. By the names kafkajs has. */
const remedies: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: 'lower publish.maxRecordBytes, or raise max.message.bytes of the topic',
  RECORD_LIST_TOO_LARGE: 'raise segment.bytes of the topic above max.message.bytes',
  INVALID_TIMESTAMP:
    'compare the clocks of Postgres, which gives a record its time, of the relay and of the broker with message.timestamp.after.max.ms and message.timestamp.before.max.ms of the topic',
  INVALID_RECORD:
    'look at what the topic or the cluster asks of records, such as a validation of their schemas',
};

/** The error where records are refused for good; undefined for any other. */
export function recordsRefused(error: unknown, topic?: string): RelayError | undefined {
  const type = kafkaErrorType(error);
  const remedy = remedies[type ?? ''];
  if (remedy === undefined) return undefined;
  const whose = topic === undefined ? 'of this transaction' : `for topic ${topic}`;
  return new RelayError('PUBLISH_REFUSED', `Kafka refuses the records ${whose}: ${type}; ${remedy}`, {
    cause: error,
    context: { kafkaError: type, topic },
  });
}

/** What a producer hears whose transaction was ended by the coordinator, or by a successor. */
const endedTypes: ReadonlySet<string> = new Set([
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_TXN_STATE',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTION_ABORTABLE',
]);

/** Whether the coordinator has aborted the transaction for its age, rather than for another relay. */
export function isExpired(failure: RelayError, elapsedMs: number, transactionTimeoutMs: number): boolean {
  return elapsedMs >= transactionTimeoutMs && endedTypes.has(String(failure.context.kafkaError));
}
