/**
 * The looks at partitions where consumers stand, of a producer that publishes nothing there: no failed Produce tells it
 * that a leader has changed. An open transaction of the producer stands for one without a marker.
 */
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { kafkaErrorType } from '../../../../relay/connect/kafka.ts';
import { nameStanding } from '../../../../relay/publish/lean/marker-memory.ts';
import { Markers } from '../../../../relay/publish/lean/markers.ts';
import { endRequest } from '../../../../relay/publish/lean/requests.ts';
import type { FetchedRecord } from '../../../../relay/publish/wire/fetch.ts';
import { decodeEndTxn } from '../../../../relay/publish/wire/kafkajs-internals.ts';
import { Wire } from '../../../../relay/publish/wire/kafkajs-wire.ts';
import { decodeTransaction, transactionRequest } from '../../../../relay/publish/wire/questions.ts';
import { type Kafka, type KafkaNode, startKafka } from '../../../../stack/kafka.ts';
import { isAlive } from '../../../../stack/run.ts';
import { createTopics, kafkaClient, withAdmin } from '../../../support/kafka.ts';
import { unique } from '../../../support/unique.ts';

const minutes = 60_000;
const soon = { timeout: minutes, interval: 100 };
/** Has the coordinators and the progress. */
const steady = 1;
/** Goes and comes back. */
const fragile = 3;

let kafka: Kafka;
/** What a client may ask for while another topic has no leader. */
let anchor: string;
beforeAll(async () => {
  kafka = await startKafka({
    brokers: 3,
    quickStart: true,
    settings: {
      // A coordinator goes on while another broker stands still, which is not taken for lost at once.
      'transaction.state.log.replication.factor': 1,
      'transaction.state.log.min.isr': 1,
      'broker.session.timeout.ms': 8_000,
    },
  });
  anchor = await topicOn('anchor', [steady]);
}, 3 * minutes);
afterAll(() => kafka?.stop());

/** @param replicas of each partition */
async function topicOn(name: string, ...replicas: number[][]): Promise<string> {
  const topic = unique(name);
  const configEntries = [{ name: 'min.insync.replicas', value: '1' }];
  const replicaAssignment = replicas.map((each, partition) => ({ partition, replicas: each }));
  await createTopics([{ topic, replicaAssignment, configEntries }], kafka.brokers);
  return topic;
}

/** On connections of its own. */
async function onWire<T>(work: (wire: Wire) => Promise<T>): Promise<T> {
  const wire = await Wire.open(await kafkaClient(kafka.brokers), [anchor]);
  try {
    return await work(wire);
  } finally {
    await wire.close();
  }
}

const untilLed = (topic: string, by: number) =>
  vi.waitFor(
    () => onWire(async (wire) => expect(await wire.leader(topic, 0)).toBe(await wire.broker(by))),
    soon,
  );

/** Why its partition has no leader. */
const refusalOf = (topic: string) =>
  onWire((wire) => wire.leader(topic, 0).then(() => undefined, kafkaErrorType));

/** Its partitions lose their leaders before it ends, and with it the connections to it. */
async function end(node: KafkaNode): Promise<void> {
  const { pid } = node;
  node.kill('SIGTERM');
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), soon);
}

/** A transactional id whose coordinator is the steady broker. */
function steadyId(): Promise<string> {
  return vi.waitFor(
    () =>
      onWire(async (wire) => {
        const id = unique('relay');
        expect((await wire.coordinator(id)) === (await wire.broker(steady))).toBe(true);
        return id;
      }),
    soon,
  );
}

/** A producer, and the looks in its name on connections that it keeps. */
async function openSession() {
  const client = await kafkaClient(kafka.brokers);
  const transactionalId = await steadyId();
  const progress = { topic: await topicOn('progress', [steady]), partition: 0 };
  const wire = await Wire.open(client, [progress.topic]);
  onTestFinished(() => wire.close());
  const coordinator = await wire.coordinator(transactionalId);
  const describe = () => wire.send(coordinator, transactionRequest(transactionalId), decodeTransaction);
  const found: (string | undefined)[] = [];
  const wasCommitted = ({ key }: FetchedRecord) => {
    found.push(key?.toString());
    return undefined;
  };
  const producer = async () => {
    const { producerId, epoch: producerEpoch } = await describe();
    return { transactionalId, producerId, producerEpoch };
  };
  const markers = new Markers(client, { transactionalId, progress, wasCommitted });
  markers.committed({ transactionalId, producerId: -1n, producerEpoch: -1 });
  return {
    wire,
    describe,
    /** Has an event in each of the topics, and leaves the transaction open. */
    async begin(...topics: readonly string[]) {
      const writer = client.producer({
        transactionalId,
        transactionTimeout: 15 * minutes,
        maxInFlightRequests: 1,
      });
      await writer.connect();
      onTestFinished(() => writer.disconnect());
      const transaction = await writer.transaction();
      for (const topic of topics) await transaction.send({ topic, messages: [{ key: topic, value: '' }] });
    },
    /** kafkajs would look for the coordinator, and may ask a broker that stands still. */
    commit: async () =>
      expect(await wire.send(coordinator, endRequest(await producer(), true), decodeEndTxn)).toMatchObject({
        errorCode: 0,
      }),
    name: (...topics: readonly string[]) =>
      nameStanding(
        client,
        transactionalId,
        topics.map((topic) => ({ topic, partition: 0 })),
      ),
    /** As before a transaction. @returns the topics where it found something unfinished */
    async look() {
      found.length = 0;
      const means = { timeoutMs: minutes, onUse: () => {}, raise: producer };
      await markers.ensure({ wire, coordinator, producer: await producer(), ...means }, [], false);
      return [...found];
    },
    async lookAt(...topics: readonly string[]) {
      this.name(...topics);
      return this.look();
    },
  };
}

test('a look finds the new leader of a partition where nothing is published', async () => {
  const topic = await topicOn('moved', [2]);
  const session = await openSession();
  await session.begin(topic);
  expect(await session.lookAt(topic)).toEqual([topic]);
  const partitionAssignment = [{ partition: 0, replicas: [steady] }];
  await withAdmin(
    (admin) => admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] }),
    kafka.brokers,
  );
  await untilLed(topic, steady);
  await vi.waitFor(async () => expect(await session.lookAt(topic)).toEqual([topic]), soon);
});

test('a partition without a leader keeps no look from the others, and is looked at when it has one', async () => {
  const [alone, other] = [await topicOn('alone', [fragile]), await topicOn('other', [steady])];
  const session = await openSession();
  await session.begin(alone, other);
  const next = await topicOn('next', [2]);
  const node = kafka.nodes[fragile - 1]!;
  await end(node);
  await vi.waitFor(async () => expect(await refusalOf(alone)).toBe('LEADER_NOT_AVAILABLE'), soon);
  await vi.waitFor(async () => expect(await session.lookAt(alone, other)).toEqual([other]), soon);
  // What would be published next finds its leader.
  expect(await session.wire.leader(next, 0)).toBe(await session.wire.broker(2));
  await expect(session.wire.leader(alone, 0)).rejects.toMatchObject({ type: 'LEADER_NOT_AVAILABLE' });
  await node.restart();
  await untilLed(alone, fragile);
  expect(await session.wire.leader(alone, 0)).toBe(await session.wire.broker(fragile));
  await vi.waitFor(async () => expect(await session.lookAt(alone, other)).toEqual([alone, other]), soon);
});

test('a partition without a leader keeps the leaders of the others in its topic from nobody', async () => {
  const topic = await topicOn('halved', [fragile], [steady]);
  const node = kafka.nodes[fragile - 1]!;
  onTestFinished(() => node.restart());
  await end(node);
  await vi.waitFor(async () => expect(await refusalOf(topic)).toBe('LEADER_NOT_AVAILABLE'), soon);
  await onWire(async (wire) => expect(await wire.leader(topic, 1)).toBe(await wire.broker(steady)));
});

test('a topic that was deleted keeps no look from the others', async () => {
  const [gone, other] = [await topicOn('gone', [2]), await topicOn('other', [steady])];
  const session = await openSession();
  await session.begin(other);
  expect(await session.lookAt(gone, other)).toEqual([other]);
  await withAdmin((admin) => admin.deleteTopics({ topics: [gone] }), kafka.brokers);
  await vi.waitFor(async () => expect(await refusalOf(gone)).toBe('UNKNOWN_TOPIC_OR_PARTITION'), soon);
  for (const _ of ['known from before', 'asked for again'])
    expect(await session.lookAt(gone, other)).toEqual([other]);
});

test('what is named while the last transaction still ends is looked at after it', async () => {
  const [slow, standing] = [await topicOn('slow', [fragile]), await topicOn('standing', [steady])];
  const session = await openSession();
  await session.begin(slow);
  expect(await session.lookAt(standing)).toEqual([]);
  const node = kafka.nodes[fragile - 1]!;
  node.kill('SIGSTOP');
  onTestFinished(() => node.kill('SIGCONT'));
  await session.commit();
  expect(await session.describe()).toMatchObject({ state: 'PrepareCommit' });
  session.name(standing);
  await expect(session.look()).rejects.toMatchObject({ type: 'CONCURRENT_TRANSACTIONS' });
  node.kill('SIGCONT');
  await vi.waitFor(
    async () => expect(await session.describe()).toMatchObject({ state: 'CompleteCommit' }),
    soon,
  );
  await session.begin(standing);
  expect(await session.look()).toEqual([standing]);
});
