/** Translates Kafka's refusal of a transaction or its records into an error that says what to do. Pure. */

import { kafkaErrorType } from '../connect/kafka.ts';
import { RelayError } from '../errors.ts';

/** Errors that a retry cannot change, by kafkajs's names, and what to change. */
const remedies: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: 'lower publish.maxRecordBytes, or raise max.message.bytes of the topic',
  RECORD_LIST_TOO_LARGE: 'raise segment.bytes of the topic above max.message.bytes',
  INVALID_TIMESTAMP:
    'compare the clock of Postgres, which sets the time of a record, and the clock of the broker with message.timestamp.after.max.ms and message.timestamp.before.max.ms of the topic',
  INVALID_RECORD: 'check what the topic or the cluster requires of records, such as schema validation',
};

/** The error if records are refused permanently; undefined for any other. */
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

/** Answers to a producer whose transaction was ended by the coordinator or by a successor. */
const endedTypes: ReadonlySet<string> = new Set([
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_TXN_STATE',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTION_ABORTABLE',
]);

/** Whether the coordinator aborted the transaction because of its age, not because of another relay. */
export function isExpired(failure: RelayError, elapsedMs: number, transactionTimeoutMs: number): boolean {
  return elapsedMs >= transactionTimeoutMs && endedTypes.has(String(failure.context.kafkaError));
}
