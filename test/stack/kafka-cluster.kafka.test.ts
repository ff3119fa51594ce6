import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { describeStanding } from '../../chaos/standing.ts';
import type { Facts } from '../../relay/observe/facts.ts';
import { StandingPartitions } from '../../relay/publish/standing-partitions.ts';
import { mayLoseMarkers } from '../../relay/publish/transaction-protocol.ts';
import { blockedTopicsDuty } from '../../relay/upkeep/blocked-topics.ts';
import { type Kafka, startKafka } from '../../stack/kafka.ts';
import { createTopic, kafkaClient, readCommitted, withAdmin } from '../support/kafka.ts';
import { loseMarker } from '../support/lost-marker.ts';

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

test('a marker that Kafka leaves out is in the log of the broker, and the relay sees what it means', async ({
  skip,
}) => {
  const client = await kafkaClient(kafka.brokers);
  if (!(await mayLoseMarkers(client))) skip('this Kafka leaves no marker out');
  await using lost = await loseMarker(kafka);
  const { topic, config, producer } = lost;
  const seen: Facts['endsSeen'][] = [];
  const duty = blockedTopicsDuty({
    config,
    kafka: client,
    observer: { endsSeen: (each) => void seen.push(each) },
    standing: new StandingPartitions(),
    hangsAfterMs: () => 0,
  })!;
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const look = async () => {
    await duty.run(ending.signal);
    return seen.at(-1)!;
  };
  expect((await look()).hanging).toMatchObject([{ topic, partition: 0, offset: '0', owner: 'relay' }]);
  expect((await look()).topics.find((each) => each.topic === topic)?.blockedMs).toBeGreaterThan(0);
  expect(await describeStanding(kafka, [topic])).toMatch(
    `${topic}/0: its last stable offset stands at 0, its end is 1; 1 times a broker left markers out, last: `,
  );
  const next = await producer.transaction();
  await next.send({ topic, messages: [{ partition: 0, value: 'next' }] });
  await next.commit();
  await expect.poll(async () => (await look()).hanging).toEqual([]);
  expect((await look()).topics).toContainEqual({ topic, blockedMs: 0 });
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
