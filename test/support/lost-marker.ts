/**
 * Has Kafka leave out the marker of a committed transaction (KAFKA-20734), in a cluster of three: the only broker that has
 * the partition is dead when the transaction ends, and its coordinator takes the partition for a deleted one.
 */
import type { Producer } from 'kafkajs';
import { vi } from 'vitest';
import { BrokerConnection, findController, findCoordinator, readMetadata } from '../../harness/kafka-wire.ts';
import { waitFor } from '../../harness/wait.ts';
import type { Config } from '../../relay/config/config.ts';
import { transactionalIdOf } from '../../relay/publish/transactional-id.ts';
import { type Kafka, leftOutMarker } from '../../stack/kafka.ts';
import { configOf } from '../relay/settings.ts';
import { createProgressTopic, createTopics, kafkaClient } from './kafka.ts';
import { unique } from './unique.ts';

export type LostMarker = AsyncDisposable & {
  /** Of one partition, whose only record is in the transaction. */
  readonly topic: string;
  /** Of a relay to which the transactional id belongs. */
  readonly config: Config;
  /** Has committed the transaction; its next one there ends it. */
  readonly producer: Producer;
};

const askMs = 5_000;
const waitMs = 60_000;

export async function loseMarker(kafka: Kafka): Promise<LostMarker> {
  const { brokers } = kafka;
  const [topic, progressTopic] = [unique('fragile'), unique('progress')];
  const slot = unique('slot').replaceAll('-', '_');
  const config = configOf(
    { SLOT: slot, KAFKA_PROGRESS_TOPIC: progressTopic, TOPICS_ALLOW: topic },
    { brokers },
  );
  const transactionalId = transactionalIdOf(config);
  await createProgressTopic(progressTopic, brokers);
  const client = await kafkaClient(brokers);
  const producer = client.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  // Also has the cluster choose the coordinator.
  await vi.waitFor(async () => (await producer.transaction()).abort(), { timeout: waitMs, interval: 100 });
  const busy = await coordinatorAndController(kafka, transactionalId);
  const fragile = kafka.nodes.find(({ id }) => !busy.includes(id))!;
  const other = kafka.nodes.find((node) => node !== fragile)!;
  await createTopics(
    [
      {
        topic,
        replicaAssignment: [{ partition: 0, replicas: [fragile.id] }],
        configEntries: [{ name: 'min.insync.replicas', value: '1' }],
      },
    ],
    brokers,
  );
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ partition: 0, value: 'first' }] });
  fragile.kill('SIGKILL');
  const asked = await BrokerConnection.open(other.address, askMs);
  try {
    const leader = async () => (await readMetadata(asked, [topic], askMs)).leaders[0]?.nodeId;
    await waitFor(async () => (await leader()) === -1, `${topic} to lose its leader`, waitMs);
  } finally {
    asked.close();
  }
  await transaction.commit();
  const isLeftOut = async () => (await kafka.logLines(leftOutMarker)).some((line) => line.includes(topic));
  await waitFor(isLeftOut, 'the coordinator to leave the marker out', waitMs);
  await fragile.restart();
  return { topic, config, producer, [Symbol.asyncDispose]: () => producer.disconnect() };
}

async function coordinatorAndController(kafka: Kafka, transactionalId: string): Promise<number[]> {
  const connection = await BrokerConnection.open(kafka.brokers[0]!, askMs);
  try {
    return [
      await findCoordinator(connection, transactionalId, askMs),
      await findController(connection, askMs),
    ];
  } finally {
    connection.close();
  }
}
