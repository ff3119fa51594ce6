/** Decides what a refusal of a transaction or of its records by Kafka means, and what to do about it. Pure. */
import { kafkaErrorType } from '../connect/kafka.ts';
import { RelayError } from '../errors.ts';

/** Errors that stay the same however often the records are sent, and what to change. Keys are kafkajs's names. */
const remedies: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: 'lower publish.maxRecordBytes, or raise max.message.bytes of the topic',
  RECORD_LIST_TOO_LARGE: 'raise segment.bytes of the topic above max.message.bytes',
  INVALID_TIMESTAMP:
    'check that the clocks of Postgres (which sets the time of a record), of the relay and of the broker agree, and check message.timestamp.after.max.ms and message.timestamp.before.max.ms of the topic',
  UNSUPPORTED_COMPRESSION_TYPE:
    'set publish.compression to a codec that the brokers accept; every broker accepts none',
  INVALID_RECORD: 'check what the topic or the cluster requires of records, such as schema validation',
};

/** The error if Kafka refuses the records for good; undefined for any other error. */
export function recordsRefused(error: unknown, topic?: string): RelayError | undefined {
  const type = kafkaErrorType(error);
  const remedy = remedies[type ?? ''];
  if (remedy === undefined) return undefined;
  const whose = topic === undefined ? 'of this transaction' : `for topic ${topic}`;
  return new RelayError('PUBLISH_REFUSED', `Kafka refused the records ${whose}: ${type}; ${remedy}`, {
    cause: error,
    context: { kafkaError: type, topic },
  });
}

/** Errors that a producer gets after the coordinator or a successor ended its transaction. */
const endedTypes: ReadonlySet<string> = new Set([
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_TXN_STATE',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTION_ABORTABLE',
]);

/**
 * The failure of a transaction, told as what it is where the coordinator aborted it for its age. Before it has that age, only
 * a successor can have ended it.
 * @param elapsedMs since before the transaction began, so at least its age
 */
export function orExpired(failure: RelayError, elapsedMs: number, transactionTimeoutMs: number): RelayError {
  const isExpired = elapsedMs >= transactionTimeoutMs && endedTypes.has(String(failure.context.kafkaError));
  if (!isExpired) return failure;
  const durationMs = Math.round(elapsedMs);
  return new RelayError(
    'TRANSACTION_EXPIRED',
    `Kafka aborted a transaction that was not over after ${durationMs} ms; its timeout is ${transactionTimeoutMs} ms`,
    { cause: failure, context: { elapsedMs: durationMs } },
  );
}
