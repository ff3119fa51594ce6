/**
 * Probes the relay's rights in Kafka with the requests that the relay uses, but without an effect. What Kafka refuses
 * here would stop the relay.
 */

import type { Kafka } from 'kafkajs';
import { kafkaErrorType } from '../connect/kafka.ts';
import { addPartitionsRequest } from './lean/requests.ts';
import { codes } from './wire/error-codes.ts';
import { decodeFetch, fetchRequest } from './wire/fetch.ts';
import { decodeAddPartitions } from './wire/kafkajs-internals.ts';
import { Wire } from './wire/kafkajs-wire.ts';

/** A partition that no topic has. The coordinator checks the right first, then finds no partition to add. */
const absentPartition = 0x7fffffff;

/**
 * Topics that the relay has no right to write to in a transaction.
 * @param transactionalId an id that no relay uses, because this call fences its owner
 * @param topics names of topics that exist
 * @throws the client's errors
 */
export async function unwritableTopics(
  kafka: Kafka,
  transactionalId: string,
  transactionTimeoutMs: number,
  topics: readonly string[],
): Promise<string[]> {
  const wire = await Wire.open(kafka, topics);
  try {
    const coordinator = await wire.coordinator(transactionalId);
    const identity = await coordinator.initProducerId({
      transactionalId,
      transactionTimeout: transactionTimeoutMs,
    });
    const producer = {
      transactionalId,
      producerId: BigInt(identity.producerId),
      producerEpoch: identity.producerEpoch,
    };
    const wanted = topics.map((topic) => ({ topic, partitions: [absentPartition] }));
    const { errors } = await wire.send(
      coordinator,
      addPartitionsRequest(producer, wanted),
      decodeAddPartitions,
    );
    return errors.flatMap(({ topic, partitionErrors }) =>
      partitionErrors.some(({ errorCode }) => errorCode === codes.topicAuthorizationFailed) ? [topic] : [],
    );
  } finally {
    await wire.close();
  }
}

/** Whether the relay may read the first partition of an existing topic. @throws the client's errors */
export async function isReadable(kafka: Kafka, topic: string): Promise<boolean> {
  const wire = await Wire.open(kafka, [topic]);
  try {
    const fromOffset = await wire.earliestOffset(topic, 0);
    const request = fetchRequest({ topic, partition: 0, fromOffset, maxWaitMs: 0, maxBytes: 1 });
    await wire.send(await wire.leader(topic, 0), request, decodeFetch);
    return true;
  } catch (error) {
    if (kafkaErrorType(error) === 'TOPIC_AUTHORIZATION_FAILED') return false;
    throw error;
  } finally {
    await wire.close();
  }
}

/**
 * Finds the reason for kafkajs's "Failed to find group coordinator", which hides the broker's error. Most often there
 * is no coordinator yet, which is temporary. A missing right is not.
 * @returns the broker's own error if there is one, else `error`
 */
export async function whyNoCoordinator(
  kafka: Kafka,
  transactionalId: string,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof Error) || error.message !== 'Failed to find group coordinator') return error;
  let wire: Wire | undefined;
  try {
    wire = await Wire.open(kafka, []);
    await wire.coordinator(transactionalId);
    return error;
  } catch (answer) {
    return kafkaErrorType(answer) === undefined ? error : answer;
  } finally {
    await wire?.close();
  }
}
