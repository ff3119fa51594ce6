/**
 * Decides what the answers to the requests of a transaction mean. Pure. Every answer that is not exactly as expected is
 * an error: a missing partition, or an offset that shows that the broker took a batch for a duplicate.
 */
import { kafkaErrorType } from '../../connect/kafka.ts';
import { RelayError } from '../../errors.ts';
import { recordsRefused } from '../failed-transaction.ts';
import { codes } from '../wire/error-codes.ts';
import type { InitProducerIdAnswer } from '../wire/flexible-answers.ts';
import {
  type AddPartitionsAnswer,
  type EndTxnAnswer,
  type ProduceAnswer,
  protocolError,
} from '../wire/kafkajs-internals.ts';
import type { Placed } from './produce-plan.ts';
import type { Producer } from './requests.ts';
import type { Sequences } from './sequences.ts';

/** Common between two transactions, and thrown several times then. Made once: its stack costs more than the request. */
const busyError = protocolError(codes.concurrentTransactions);

/** @throws the error of the partition that caused the refusal; RelayError KAFKA_UNAVAILABLE */
export function checkAdded({ errors }: AddPartitionsAnswer): void {
  const answered = errors.flatMap(({ partitionErrors }) => partitionErrors.map(({ errorCode }) => errorCode));
  const failed = answered.filter((code) => code !== 0);
  const cause = failed.find((code) => code !== codes.operationNotAttempted) ?? failed[0];
  if (cause === codes.unsupportedVersion) throw unstorable('AddPartitionsToTxn', 'KAFKA_UNAVAILABLE');
  if (cause !== undefined) throw cause === codes.concurrentTransactions ? busyError : protocolError(cause);
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

/**
 * Whether the leader refused every batch because the coordinator still ends the previous transaction. It has then
 * appended none, so the same request can be sent again. It can be the answer only if the leader adds the partitions.
 */
export function isAllBusy(placed: readonly Placed[], { topics }: ProduceAnswer): boolean {
  const answered = topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
  return answered.length === placed.length && answered.every((code) => code === codes.concurrentTransactions);
}

/** Of InitProducerId: the client's error, or what it means. */
export function notAssigned(error: unknown): unknown {
  if (kafkaErrorType(error) !== 'UNSUPPORTED_VERSION') return error;
  return unstorable('InitProducerId', 'KAFKA_UNAVAILABLE');
}

/** The identity that the coordinator assigned. @throws the client's error; RelayError KAFKA_UNAVAILABLE */
export function checkAssigned(producer: Producer, answer: InitProducerIdAnswer): Producer {
  const { errorCode, producerId, producerEpoch } = answer;
  if (errorCode !== 0) throw notAssigned(protocolError(errorCode));
  return { ...producer, producerId, producerEpoch };
}

/**
 * Protocol 2: the next transaction has the next epoch or, when the epochs are used up, epoch 0 of another producer id.
 * Any other answer leaves it unknown to whom the transactional id belongs.
 * @throws RelayError PUBLISH_UNCERTAIN
 */
export function nextIdentity(producer: Producer, answer: EndTxnAnswer): Producer {
  const { producerId = -1n, producerEpoch = -1 } = answer;
  const isNext =
    producerId === producer.producerId
      ? producerEpoch === producer.producerEpoch + 1
      : producerId >= 0n && producerEpoch === 0;
  if (isNext) return { ...producer, producerId, producerEpoch };
  throw uncertain(
    `EndTxn of producer ${producer.producerId} epoch ${producer.producerEpoch} assigned producer ${producerId} epoch ${producerEpoch}`,
  );
}

/** The transaction is committed when, and only when, this returns. @throws the client's error */
export function checkCommitted({ errorCode }: EndTxnAnswer): void {
  if (errorCode === codes.unsupportedVersion) throw unstorable('EndTxn');
  if (errorCode !== 0) throw protocolError(errorCode);
}

/** The next session looks at the feature on a new connection. @param code whether records may be in Kafka */
function unstorable(
  request: string,
  code: 'KAFKA_UNAVAILABLE' | 'PUBLISH_UNCERTAIN' = 'PUBLISH_UNCERTAIN',
): RelayError {
  return new RelayError(
    code,
    `Kafka answered ${request} with UNSUPPORTED_VERSION: it cannot store the transaction. If transaction.version of the cluster is 0, set it to 1 or 2, and restart the broker that coordinates the transactional id`,
  );
}

function refusedBy(topic: string, errorCode: number): Error {
  if (errorCode === codes.unsupportedVersion) return unstorable('Produce');
  const error = protocolError(errorCode);
  return recordsRefused(error, topic) ?? error;
}

export function uncertain(message: string): RelayError {
  return new RelayError('PUBLISH_UNCERTAIN', message);
}
