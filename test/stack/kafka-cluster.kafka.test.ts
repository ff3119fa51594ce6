import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Kafka, startKafka } from '../../stack/kafka.ts';
import { createTopic, kafkaClient, readCommitted, withAdmin } from '../support/kafka.ts';

let kafka: Kafka;
beforeAll(async () => {
  kafka = await startKafka({ brokers: 3, quickStart: true });
});
afterAll(() => kafka?.stop());

test('a cluster of three takes writes while one broker is dead, and takes it back', async () => {
  const topic = await createTopic('replicated', 1, kafka.brokers);
  kafka.nodes[2]?.kill('SIGKILL');
  const producer = (await kafkaClient(kafka.brokers)).producer();
  await producer.connect();
  try {
    await producer.send({ topic, acks: -1, messages: [{ value: 'kept' }] });
  } finally {
    await producer.disconnect();
  }
  const records = await readCommitted({ topics: [topic], brokers: kafka.brokers });
  expect(records.map(({ value }) => String(value))).toEqual(['kept']);

  await kafka.nodes[2]?.restart();
  const { brokers } = await withAdmin((admin) => admin.describeCluster(), kafka.brokers);
  expect(brokers).toHaveLength(3);
});

test("Kafka's own command line tools can be run against the cluster", async () => {
  const topic = await createTopic('described', 1, kafka.brokers);
  const { stdout } = await kafka.tool('org.apache.kafka.tools.TopicCommand', [
    '--bootstrap-server',
    kafka.brokers.join(','),
    '--describe',
    '--topic',
    topic,
  ]);
  expect(stdout).toContain('ReplicationFactor: 3');
});
