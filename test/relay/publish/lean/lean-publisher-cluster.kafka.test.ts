import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { BrokerConnection, findCoordinator } from '../../../../harness/kafka-wire.ts';
import { codecNames } from '../../../../relay/connect/compression/codec-numbers.ts';
import { asRelayError, type RelayError } from '../../../../relay/errors.ts';
import { LeanBatchBuilder } from '../../../../relay/publish/lean/batch-builder.ts';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import type { LeanPublisher } from '../../../../relay/publish/lean/lean-publisher.ts';
import {
  type CrashPoints,
  TransactionalProducer,
} from '../../../../relay/publish/lean/transactional-producer.ts';
import { type Kafka, type KafkaNode, startKafka } from '../../../../stack/kafka.ts';
import { failureOf } from '../../../support/code-of.ts';
import { kafkaClient, readCommitted, withAdmin } from '../../../support/kafka.ts';
import { recordOf } from '../records.ts';
import { Scene } from './scene.ts';

const minutes = 60_000;

let kafka: Kafka;
beforeAll(async () => {
  // The records have timestamps from years ago.
  kafka = await startKafka({ brokers: 3, quickStart: true, settings: { 'log.retention.ms': -1 } });
});
afterAll(() => kafka?.stop());

/** What Kafka's own consumer prints of the first `count` records. @param topics a regular expression */
async function consoleConsumer(topics: string, count: number, print: readonly string[]): Promise<string[]> {
  const args = [
    ...['--bootstrap-server', kafka.brokers.join(','), '--include', topics],
    ...['--from-beginning', '--isolation-level', 'read_committed'],
    ...['--max-messages', String(count), '--timeout-ms', '60000'],
    ...print.flatMap((part) => ['--property', `print.${part}=true`]),
  ];
  const { stdout } = await kafka
    .tool('org.apache.kafka.tools.consumer.ConsoleConsumer', args)
    // Its name before Kafka 3.8.
    .catch((error) => {
      if (!String(error.stderr).includes('ClassNotFoundException')) throw error;
      return kafka.tool('kafka.tools.ConsoleConsumer', args);
    });
  // From Kafka 4.2 on it advises an option that releases before do not know.
  return stdout
    .replace(/\n$/, '')
    .split('\n')
    .filter((line) => !/^Option --property is deprecated/.test(line));
}

test("Kafka's own console consumer reads keys, values, headers and timestamps as they were", async () => {
  await using scene = await Scene.open({ brokers: kafka.brokers });
  const publisher = await scene.publisher();
  const headers = { id: 'ä1', type: 'Placed', position: '0000000000000001.00000000' };
  await scene.publish(publisher, [
    { key: 'first', value: Buffer.from('eins'), headers, timestampMs: 1_700_000_000_123 },
    { key: 'schlüssel-🔑', value: Buffer.from('zwei'), headers: {}, timestampMs: 1_600_000_000_000 },
    { key: '', value: Buffer.from('x'.repeat(500)), headers: { empty: '' }, timestampMs: 1_500_000_000_001 },
  ]);
  expect(await consoleConsumer(scene.topic, 3, ['timestamp', 'headers', 'key'])).toEqual([
    'CreateTime:1700000000123\tid:ä1,type:Placed,position:0000000000000001.00000000\tfirst\teins',
    'CreateTime:1600000000000\tNO_HEADERS\tschlüssel-🔑\tzwei',
    `CreateTime:1500000000001\tempty:\t\t${'x'.repeat(500)}`,
  ]);
});

test("Kafka's own console consumer reads every codec that the relay writes", async () => {
  const topics: string[] = [];
  for (const codec of codecNames) {
    await using scene = await Scene.open({
      brokers: kafka.brokers,
      settings: { PUBLISH_COMPRESSION: codec },
    });
    const publisher = await scene.publisher();
    // Small batches, which the event loop compresses, and large ones, which the thread pool does.
    for (const count of [20, 1_000])
      await scene.publish(
        publisher,
        Array.from({ length: count }, (_, n) => ({
          key: `${codec}-${count}-${n}`,
          value: Buffer.from(`the order ${n} was placed by a customer `.repeat(4)),
        })),
      );
    topics.push(scene.topic);
  }
  const lines = await consoleConsumer(topics.join('|'), topics.length * 1_020, ['key']);
  const expected = codecNames.flatMap((codec) =>
    [20, 1_000].flatMap((count) =>
      Array.from(
        { length: count },
        (_, n) => `${codec}-${count}-${n}\t${`the order ${n} was placed by a customer `.repeat(4)}`,
      ),
    ),
  );
  expect(lines.toSorted()).toEqual(expected.toSorted());
});

/** Publishes as the relay does: after any failure it fences, claims, and resends what the progress does not cover. */
class Session {
  readonly failures: RelayError[] = [];
  readonly #scene: Scene;
  #publisher: LeanPublisher | undefined;
  #published = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  get published(): number {
    return this.#published;
  }

  async publish(count: number): Promise<void> {
    const target = this.#published + count;
    while (this.#published < target) {
      try {
        this.#publisher ??= await this.#takeOver();
        if (this.#published >= target) return;
        await this.#send(this.#publisher, target);
        this.#published = target;
      } catch (error) {
        this.failures.push(asRelayError(error));
        await this.#publisher?.close();
        this.#publisher = undefined;
      }
    }
  }

  async #takeOver(): Promise<LeanPublisher> {
    const publisher = await this.#scene.publisher();
    const progress = await publisher.claim(this.#scene.tail);
    this.#published = progress?.eventCount ?? 0;
    return publisher;
  }

  async #send(publisher: LeanPublisher, target: number): Promise<void> {
    const { topic } = this.#scene;
    const batch = publisher.newBatch();
    for (let i = this.#published; i < target; i++) batch.append(eventOf(topic, i));
    await publisher.commit(batch, this.#scene.progress(target));
  }
}

const partitions = 6;
const eventOf = (topic: string, number: number) => ({
  topic,
  partition: number % partitions,
  key: String(number),
  value: Buffer.alloc(300, number),
  headers: { id: String(number) },
  timestampMs: 1_700_000_000_000 + number,
  bytes: 400,
  maxBatchBytes: 1_000_000,
});

async function expectEachOnce(scene: Scene, count: number): Promise<void> {
  const read = await readCommitted({ topics: [scene.topic], brokers: scene.brokers, timeoutMs: minutes });
  for (let partition = 0; partition < partitions; partition++) {
    const keys = read.filter((record) => record.partition === partition).map(({ key }) => Number(key));
    const expected = Array.from({ length: count }, (_, i) => i).filter((i) => i % partitions === partition);
    expect(keys).toEqual(expected);
  }
}

/** Removes the leader of each partition from its replicas, so that another broker must lead. */
async function moveLeaders(topic: string): Promise<void> {
  await withAdmin(async (admin) => {
    const read = async () =>
      (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions ?? [];
    const before = await read();
    const partitionAssignment = before.map(({ partitionId, leader, replicas }) => ({
      partition: partitionId,
      replicas: replicas.filter((id) => id !== leader),
    }));
    await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
    const old = new Map(before.map(({ partitionId, leader }) => [partitionId, leader]));
    await vi.waitFor(
      async () => {
        for (const { partitionId, leader } of await read()) expect(leader).not.toBe(old.get(partitionId));
      },
      { timeout: minutes, interval: 100 },
    );
  }, kafka.brokers);
}

test(
  'a leader that moved between transactions ends the producer, and nothing is lost or doubled',
  async () => {
    await using scene = await Scene.open({ brokers: kafka.brokers, partitions });
    const session = new Session(scene);
    await session.publish(60);
    await moveLeaders(scene.topic);
    await session.publish(60);
    await session.publish(60);
    expect(session.failures.map(({ code }) => code)).toEqual(['PUBLISH_UNCERTAIN']);
    expect(session.failures[0]?.context.kafkaError).toBe('NOT_LEADER_FOR_PARTITION');
    await expectEachOnce(scene, 180);
  },
  3 * minutes,
);

test.each(['1', 'auto'] as const)(
  'the coordinator dies between the records and their commit, and the successor writes them once (protocol %s)',
  { timeout: 3 * minutes },
  async (transactionVersion) => {
    await using scene = await Scene.open({ brokers: kafka.brokers, partitions: 3 });
    const { transactionalId, topic } = scene;
    const pool = new BufferPool();
    const client = await kafkaClient(kafka.brokers);
    const open = () =>
      TransactionalProducer.open(client, {
        ...{ transactionalId, topic, transactionVersion, transactionTimeoutMs: minutes },
        requestTimeoutMs: 5_000,
      });
    const commit = async (producer: TransactionalProducer, keys: string, places?: CrashPoints) => {
      const batch = new LeanBatchBuilder(pool);
      for (const [partition, key] of [...keys].entries()) batch.append(recordOf({ topic, partition, key }));
      await producer.commit([...batch.partitions()], places);
    };
    const first = await open();
    await commit(first, 'abc');
    const coordinator = await coordinatorOf(transactionalId);
    const failure = commit(first, 'def', { sent: async () => coordinator.kill('SIGKILL') });
    expect((await failureOf(failure)).code).toBe('PUBLISH_UNCERTAIN');
    await first.close();
    // Another broker coordinates by then.
    const second = await vi.waitFor(open, { timeout: minutes, interval: 100 });
    await commit(second, 'def');
    await coordinator.restart();
    await commit(second, 'ghi').catch(() => {}); // a leader may have moved back within
    await second.close();
    const read = await readCommitted({ topics: [topic], brokers: kafka.brokers, timeoutMs: minutes });
    const keys = read
      .map(({ key }) => key)
      .sort()
      .join('');
    expect(keys).toMatch(/^abcdef(ghi)?$/);
  },
);

async function coordinatorOf(transactionalId: string): Promise<KafkaNode> {
  const connection = await BrokerConnection.open(kafka.brokers[0]!, 5_000);
  try {
    const id = await findCoordinator(connection, transactionalId, 5_000);
    return kafka.nodes.find((node) => node.id === id)!;
  } finally {
    connection.close();
  }
}

test(
  'leaders move, brokers restart and die while transactions run, and nothing is lost or doubled',
  async () => {
    await using scene = await Scene.open({
      brokers: kafka.brokers,
      partitions,
      settings: { KAFKA_REQUEST_TIMEOUT_MS: 10_000 },
    });
    const session = new Session(scene);
    let isOver = false;
    const troubles = async () => {
      await moveLeaders(scene.topic);
      await kafka.nodes[0]?.restart();
      kafka.nodes[1]?.kill('SIGKILL');
      await kafka.nodes[1]?.restart();
    };
    const trouble = troubles().finally(() => {
      isOver = true;
    });
    while (!isOver) await session.publish(50);
    await trouble;
    await session.publish(50);
    // Brokers that come back quickly may have met no transaction; this the next one meets for certain.
    await moveLeaders(scene.topic);
    for (let i = 0; i < 5; i++) await session.publish(50);
    expect(session.failures.length).toBeGreaterThan(0);
    for (const { code } of session.failures)
      expect(['PUBLISH_UNCERTAIN', 'KAFKA_UNAVAILABLE']).toContain(code);
    await expectEachOnce(scene, session.published);
  },
  5 * minutes,
);
