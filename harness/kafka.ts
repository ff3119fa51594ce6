/** Administers Kafka: a client that logs nothing, and topics that can be written to at once. */
import { type Admin, type ITopicConfig, Kafka, logLevel } from 'kafkajs';
import { waitFor } from './wait.ts';

const leadersWithinMs = 30_000;

export function kafkaClient(brokers: readonly string[], clientId = 'harness'): Kafka {
  return new Kafka({ clientId, brokers: [...brokers], logLevel: logLevel.NOTHING });
}

/** Runs `work` with an admin connection and closes it. */
export async function withAdmin<T>(kafka: Kafka, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** kafkajs's own `waitForLeaders` gives up where a broker does not know the topics yet. */
export async function createTopics(kafka: Kafka, topics: readonly ITopicConfig[]): Promise<void> {
  await withAdmin(kafka, (admin) => admin.createTopics({ topics: [...topics], waitForLeaders: false }));
  for (const { topic } of topics) await untilLed(kafka, topic);
}

/**
 * Brokers that replicate ask each other for every partition there is, with every request: in half an hour of chaos, whose 60
 * worlds left 300 partitions, they came to take 1.7 times the CPU of its first minutes.
 */
export async function deleteTopics(kafka: Kafka, topics: readonly string[]): Promise<void> {
  await withAdmin(kafka, (admin) => admin.deleteTopics({ topics: [...topics] }));
}

/**
 * The metadata names the leader of a new partition before that leader, under load, knows of it: this asks the leader
 * until it answers.
 */
export async function untilLed(kafka: Kafka, topic: string): Promise<void> {
  const ask = () => withAdmin(kafka, (admin) => admin.fetchTopicOffsets(topic));
  await waitFor(
    () =>
      ask().then(
        () => true,
        () => false,
      ),
    `leaders of ${topic}`,
    leadersWithinMs,
  );
}
