/** What Kafka says of topics and of consumer groups, on a real cluster. */
import { beforeAll, expect, test } from 'vitest';
import { relayEnv } from '../../../harness/relay-process.ts';
import { type Config, loadConfig } from '../../../relay/config/config.ts';
import { pageOfTopics, readGroupLags } from '../../../relay/operations/topics.ts';
import { startKafka } from '../../../stack/kafka.ts';
import { createTopics, kafkaClient, withAdmin } from '../../support/kafka.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';

const prefix = unique('looked');
const [orders, refunds, hidden] = [`${prefix}.orders`, `${prefix}.refunds`, `other-${prefix}`];
const [reader, stranger] = [`${prefix}-reader`, `${prefix}-stranger`];
let config: Config;

beforeAll(async () => {
  const { brokers } = await servers();
  await createTopics([
    {
      topic: orders,
      numPartitions: 3,
      configEntries: [
        { name: 'max.message.bytes', value: '2000' },
        { name: 'retention.ms', value: '3600000' },
      ],
    },
    { topic: refunds, numPartitions: 1 },
    { topic: hidden, numPartitions: 1 },
  ]);
  const env = relayEnv(
    { databaseUrl: 'postgres://127.0.0.1/none', brokers, registryUrl: 'http://127.0.0.1:1' },
    { TOPICS_ALLOW: `${prefix}.*`, METRICS_CONSUMER_GROUPS: `${reader},${stranger}` },
  );
  config = loadConfig({ env }).config;
  const producer = (await kafkaClient()).producer();
  await producer.connect();
  await producer.send({
    topic: orders,
    messages: [0, 0, 0, 1, 1].map((partition) => ({ partition, value: 'x' })),
  });
  await producer.disconnect();
  await withAdmin((admin) =>
    admin.setOffsets({ groupId: reader, topic: orders, partitions: [{ partition: 0, offset: '1' }] }),
  );
});

test('topics come by name, in pages, with the settings that limit events', async () => {
  const first = await pageOfTopics(config, {}, 1);
  expect(first).toMatchObject({ total: 2, next: orders, topics: [{ topic: orders, partitions: 3 }] });
  expect(first.topics[0]!.settings).toMatchObject({
    maxMessageBytes: 2_000,
    acceptedAgeMs: 3_600_000,
    retentionMs: '3600000',
    cleanupPolicy: 'delete',
  });
  const second = await pageOfTopics(config, { after: first.next! }, 1);
  expect(second).toMatchObject({ total: 2, next: null, topics: [{ topic: refunds }] });
});

test('sizes are those of the partitions, and of all of them together', async () => {
  const { topics } = await pageOfTopics(config, {}, 10);
  const [written, empty] = topics;
  // Three records, two, and none.
  const [first, second, third] = written!.partitionBytes as number[];
  expect(first).toBeGreaterThan(second!);
  expect(second).toBeGreaterThan(0);
  expect([third, empty!.bytes]).toEqual([0, 0]);
  expect(written!.bytes).toBe(first! + second!);
});

test('a topic that topics.allow does not list is not shown, even by its name', async () => {
  expect(await pageOfTopics(config, { names: [hidden] }, 10)).toMatchObject({ total: 0, topics: [] });
  expect(await pageOfTopics(config, { like: 'REFUND' }, 10)).toMatchObject({ total: 1 });
});

test('lag covers what a group has committed, and says what it leaves out', async () => {
  const { groups } = await readGroupLags(config, orders);
  expect(groups).toEqual([
    {
      group: reader,
      lags: [{ topic: orders, offsets: 2, uncommittedPartitions: 1 }],
      topicsLeftOut: 0,
      failure: null,
    },
    { group: stranger, lags: [], topicsLeftOut: 0, failure: null },
  ]);
  const elsewhere = await readGroupLags(config, refunds);
  expect(elsewhere.groups[0]).toMatchObject({ lags: [] });
});

test('a group whose coordinator is not there yet is not known, which is no error, and known once it is', async () => {
  // Of one broker, so that no coordinator comes up until somebody makes the topic.
  await using kafka = await startKafka({
    quickStart: true,
    settings: { 'offsets.topic.replication.factor': 3, 'offsets.topic.num.partitions': 1 },
  });
  const fresh = { ...config, kafka: { ...config.kafka, brokers: kafka.brokers } };
  const { groups } = await readGroupLags(fresh);
  expect(groups.map(({ group, lags }) => [group, lags])).toEqual([
    [reader, null],
    [stranger, null],
  ]);
  expect(groups[0]!.failure).toMatchObject({
    code: 'KAFKA_UNAVAILABLE',
    message: expect.stringContaining('no broker has named its coordinator so far'),
  });
  const topic = '__consumer_offsets';
  const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
  await createTopics([{ topic, numPartitions: 1, replicationFactor: 1, configEntries }], kafka.brokers);
  await expect
    .poll(async () => (await readGroupLags(fresh)).groups.map(({ lags }) => lags), { timeout: 60_000 })
    .toEqual([[], []]);
});

test('Kafka away is an error and never an empty list', async () => {
  const away = { ...config, kafka: { ...config.kafka, brokers: ['127.0.0.1:1'] } };
  await expect(pageOfTopics(away, {}, 10)).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
});
