/**
 * Kafka's two transaction protocols on a real cluster whose feature `transaction.version` is moved: what each one writes,
 * what enters no later transaction, and how a running producer goes from one to the other.
 */

import { randomUUID } from 'node:crypto';
import { Kafka as KafkaClient, logLevel } from 'kafkajs';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { setFeature } from '../../../../harness/kafka-feature.ts';
import { BrokerConnection, fetchRecords } from '../../../../harness/kafka-wire.ts';
import { type KafkaApi, TcpProxy } from '../../../../harness/tcp-proxy.ts';
import { LeanBatchBuilder } from '../../../../relay/publish/lean/batch-builder.ts';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import { endRequest, endRequest2, produceRequest2 } from '../../../../relay/publish/lean/requests.ts';
import {
  type CrashPoints,
  type ProducerOptions,
  TransactionalProducer,
} from '../../../../relay/publish/lean/transactional-producer.ts';
import { describeProtocol } from '../../../../relay/publish/transaction-protocol.ts';
import { decodeEndTxn5, decodeProduce12 } from '../../../../relay/publish/wire/flexible-answers.ts';
import { decodeEndTxn } from '../../../../relay/publish/wire/kafkajs-internals.ts';
import { Wire } from '../../../../relay/publish/wire/kafkajs-wire.ts';
import { type Kafka, startKafka } from '../../../../stack/kafka.ts';
import { failureOf } from '../../../support/code-of.ts';
import { createTopic, kafkaClient, readCommitted } from '../../../support/kafka.ts';
import { configOf } from '../../settings.ts';
import { recordOf } from '../records.ts';

let kafka: Kafka;
/** Between the broker and everybody who learned its address from it: the producers, and itself. */
let proxy: TcpProxy;
let hasFeature = true;
const setVersion = (level: number) => setFeature(kafka.brokers, 'transaction.version', level);

beforeAll(async () => {
  proxy = await TcpProxy.open(0, true);
  kafka = await startKafka({
    quickStart: true,
    settings: { 'transaction.state.log.num.partitions': 1 },
    nodeSettings: ({ port }) => {
      proxy.targetPort = port;
      return { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.port}` };
    },
  });
  hasFeature = await setVersion(2).then(
    () => true,
    () => false,
  );
});
afterAll(async () => {
  await kafka?.stop();
  await proxy?.[Symbol.asyncDispose]();
});
beforeEach(async (context) => {
  proxy.listen = () => ({ fromClient: hear, fromServer: () => onAnswer() });
  onAnswer = () => {};
  if (!hasFeature) context.skip('this Kafka has no transaction protocol 2');
  await setVersion(2);
});

/** Requests that connections have sent, by API and version. */
const requests = new Map<string, number>();
let onAnswer = () => {};

function countRequests(): (api: number, version: number) => number {
  requests.clear();
  return (api, version) => requests.get(`${api} ${version}`) ?? 0;
}

/** A request that comes in several chunks is counted by the first; what else a chunk holds is not. */
function hear(chunk: Buffer): void {
  if (chunk.length < 8) return;
  const name = `${chunk.readInt16BE(4)} ${chunk.readInt16BE(6)}`;
  requests.set(name, (requests.get(name) ?? 0) + 1);
}

const pool = new BufferPool();
const transactionTimeoutMs = 60_000;

/** A topic, and producers with one transactional id. */
class Scene implements AsyncDisposable {
  readonly transactionalId = `relay.${randomUUID()}`;
  readonly topic: string;
  readonly #closing: { close(): Promise<void> }[] = [];

  private constructor(topic: string) {
    this.topic = topic;
  }

  static async open(partitions = 1): Promise<Scene> {
    return new Scene(await createTopic('protocols', partitions, kafka.brokers));
  }

  async producer(
    transactionVersion: 'auto' | '1' = 'auto',
    own: Partial<ProducerOptions> = {},
  ): Promise<TransactionalProducer> {
    const producer = await TransactionalProducer.open(await kafkaClient(kafka.brokers), {
      ...{ transactionalId: this.transactionalId, transactionTimeoutMs, transactionVersion },
      requestTimeoutMs: 5_000,
      topic: this.topic,
      featureMaxAgeMs: 0,
      ...own,
    });
    this.#closing.push(producer);
    return producer;
  }

  async wire(): Promise<Wire> {
    const wire = await Wire.open(await kafkaClient(kafka.brokers), [this.topic]);
    this.#closing.push(wire);
    return wire;
  }

  /** Commits the keys, each to the partition of its place in the list. */
  async commit(producer: TransactionalProducer, keys: string, places?: CrashPoints): Promise<void> {
    const batch = new LeanBatchBuilder(pool);
    for (const [partition, key] of [...keys].entries())
      batch.append(recordOf({ topic: this.topic, partition, key }));
    await producer.commit([...batch.partitions()], places);
    batch.release();
  }

  /** What partition 0 holds, in order: `a@3` is the key a in epoch 3, `commit@4` a marker. */
  async log(): Promise<{ readonly text: string; readonly producerId: bigint; readonly epoch: number }> {
    const connection = await BrokerConnection.open(kafka.brokers[0]!, 5_000);
    try {
      const part = { topic: this.topic, partition: 0, offset: 0n };
      const [fetched] = await fetchRecords(connection, [part], 1_000, 5_000);
      // Without what the reader of the test writes.
      const batches = fetched?.batches.filter(({ isTransactional }) => isTransactional) ?? [];
      const text = batches.map(
        ({ marker, records, producerEpoch }) =>
          `${marker ?? records.map(({ key }) => key).join('')}@${producerEpoch}`,
      );
      const last = batches.at(-1);
      return {
        text: text.join(' '),
        producerId: last?.producerId ?? -1n,
        epoch: last?.producerEpoch ?? -1,
      };
    } finally {
      connection.close();
    }
  }

  async keys(): Promise<string> {
    const read = await readCommitted({ topics: [this.topic], brokers: kafka.brokers });
    return read.map(({ key }) => key).join('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#closing) await one.close();
  }
}

test('in protocol 2 each transaction has an epoch of its own, and its marker the next', async () => {
  await using scene = await Scene.open();
  const producer = await scene.producer();
  for (const key of 'abc') await scene.commit(producer, key);
  expect(await scene.keys()).toBe('abc');
  expect((await scene.log()).text).toBe('a@0 commit@1 b@1 commit@2 c@2 commit@3');
});

test('in protocol 1 all transactions of a producer have one epoch', async () => {
  await using scene = await Scene.open();
  const producer = await scene.producer('1');
  for (const key of 'abc') await scene.commit(producer, key);
  expect(await scene.keys()).toBe('abc');
  expect((await scene.log()).text).toBe('a@0 commit@0 b@0 commit@0 c@0 commit@0');
});

test('a running producer follows the feature, off and on again, and nothing is lost or doubled', async () => {
  await using scene = await Scene.open(3);
  await setVersion(1);
  const producer = await scene.producer();
  let sent = '';
  const commit = async (keys: string) => {
    await scene.commit(producer, keys);
    sent += keys;
  };
  for (const level of [1, 2, 1, 2, 1]) {
    await setVersion(level);
    for (const keys of ['abc', 'def', 'ghi']) await commit(keys);
  }
  expect([...(await scene.keys())].sort().join('')).toBe([...sent].sort().join(''));
  const { text } = await scene.log();
  const epochs = text.split(' ').map((one) => Number(one.split('@')[1]));
  // Protocol 1; raised, then protocol 2; protocol 1; raised again, then protocol 2; protocol 1.
  expect(epochs).toEqual([
    ...[0, 0, 0, 0, 0, 0],
    ...[1, 2, 2, 3, 3, 4],
    ...[4, 4, 4, 4, 4, 4],
    ...[5, 6, 6, 7, 7, 8],
    ...[8, 8, 8, 8, 8, 8],
  ]);
});

test('the check says which protocol the relay uses, and why', async () => {
  const client = await kafkaClient(kafka.brokers);
  const said = (producer: 'lean' | 'kafkajs', transactionVersion: 'auto' | '1') =>
    describeProtocol(client, { ...configOf().publish, producer, transactionVersion });
  expect(await said('lean', 'auto')).toBe(
    'transaction protocol 2, since transaction.version of the cluster is 2',
  );
  expect(await said('lean', '1')).toMatch(/^transaction protocol 1, as publish.transactionVersion says/);
  expect(await said('kafkajs', 'auto')).toMatch(/^transaction protocol 1/);
  await setVersion(1);
  expect(await said('lean', 'auto')).toBe(
    'transaction protocol 1, since transaction.version of the cluster is 1',
  );
});

test('a producer that was fenced stays fenced when the feature is turned on', async () => {
  await using scene = await Scene.open();
  await setVersion(1);
  const first = await scene.producer();
  await scene.commit(first, 'a');
  const second = await scene.producer();
  await scene.commit(second, 'b');
  await setVersion(2);
  expect((await failureOf(scene.commit(first, 'x'))).code).toBe('PRODUCER_FENCED');
  await scene.commit(second, 'c');
  await scene.commit(second, 'd');
  expect(await scene.keys()).toBe('abcd');
});

test('an EndTxn that comes again changes nothing, whatever the next transaction does', async () => {
  await using scene = await Scene.open();
  const producer = await scene.producer();
  const wire = await scene.wire();
  const coordinator = await wire.coordinator(scene.transactionalId);
  await scene.commit(producer, 'a');
  await scene.keys();
  const { producerId } = await scene.log();
  const again = { transactionalId: scene.transactionalId, producerId, producerEpoch: 0 };
  const repeat = () => wire.send(coordinator, endRequest2(again, true), decodeEndTxn5);
  // It is confirmed, with the identity that the producer has anyway.
  expect(await repeat()).toMatchObject({ errorCode: 0, producerId, producerEpoch: 1 });
  const answers: number[] = [];
  const open = scene.commit(producer, 'b', {
    sent: async () => {
      answers.push((await repeat()).errorCode);
    },
  });
  await open;
  expect(answers, 'PRODUCER_FENCED while the next is open').toEqual([90]);
  expect(await scene.keys()).toBe('ab');
  expect((await scene.log()).text).toBe('a@0 commit@1 b@1 commit@2');
});

test('in protocol 1 an EndTxn that comes again ends the next transaction: the producer must not send it', async () => {
  await using scene = await Scene.open();
  const producer = await scene.producer('1');
  const wire = await scene.wire();
  const coordinator = await wire.coordinator(scene.transactionalId);
  await scene.commit(producer, 'a');
  await scene.keys();
  const again = { transactionalId: scene.transactionalId, ...(await scene.log()), producerEpoch: 0 };
  let seen = '';
  await failureOf(
    scene.commit(producer, 'b', {
      sent: async () => {
        const { errorCode } = await wire.send(coordinator, endRequest(again, true), decodeEndTxn);
        expect(errorCode).toBe(0);
        seen = await scene.keys();
        throw new Error('the relay dies');
      },
    }),
  );
  expect(seen, 'committed although the producer had not ended it').toBe('ab');
});

test('records of an earlier transaction enter no later one', async () => {
  await using scene = await Scene.open();
  const producer = await scene.producer();
  const wire = await scene.wire();
  const leader = await wire.leader(scene.topic, 0);
  await scene.commit(producer, 'a');
  await scene.keys();
  const { producerId } = await scene.log();
  const late = async (producerEpoch: number, baseSequence: number) => {
    const batch = new LeanBatchBuilder(pool);
    batch.append(recordOf({ topic: scene.topic, key: 'x' }));
    const [part] = [...batch.partitions()];
    const frames = [part!.batches[0]!.seal({ producerId, producerEpoch, baseSequence }, 'compact')];
    const request = produceRequest2(scene.transactionalId, 5_000, [{ topic: scene.topic, frames }]);
    const { topics } = await wire.send(leader, request, decodeProduce12);
    return topics[0]?.partitions[0]?.errorCode;
  };
  const invalidEpoch = 47;
  expect(await late(0, 1), 'between two transactions').toBe(invalidEpoch);
  const codes: unknown[] = [];
  await scene.commit(producer, 'b', {
    sent: async () => {
      codes.push(await late(0, 1));
    },
  });
  expect(codes, 'within the next').toEqual([invalidEpoch]);
  await scene.commit(producer, 'c');
  expect(await scene.keys()).toBe('abc');
});

test('a predecessor of protocol 2 is aborted and fenced, and one of protocol 1 too', async () => {
  await using scene = await Scene.open();
  for (const [version, keys] of [
    ['auto', 'ab'],
    ['1', 'cd'],
  ] as const) {
    const first = await scene.producer(version);
    await scene.commit(first, keys[0]!);
    let second: TransactionalProducer | undefined;
    const takeOver = async () => {
      second = await scene.producer();
    };
    expect((await failureOf(scene.commit(first, 'x', { sent: takeOver }))).code).toBe('PRODUCER_FENCED');
    await scene.commit(second!, keys[1]!);
  }
  expect(await scene.keys()).toBe('abcd');
});

/** Versions, and in protocol 2 also with the partitions added by the leaders. */
const ways = [
  ['protocol 1', '1', {}],
  ['protocol 2', 'auto', { addsFirst: () => true }],
  ['protocol 2, where the leader adds the partition', 'auto', { addsFirst: () => false }],
] as const;

test.each(ways.flatMap((way) => (['Produce', 'EndTxn'] as const).map((api) => [api, ...way] as const)))(
  '%s that comes after a takeover changes nothing of the next transaction (%s)',
  async (api, _, version, own) => {
    await using scene = await Scene.open();
    const first = await scene.producer(version, own);
    await scene.commit(first, 'a');
    const late = holdNext(api);
    const doubtful = failureOf(scene.commit(first, 'x'));
    await late.met;
    await first.close();
    expect((await doubtful).code).toBe('PUBLISH_UNCERTAIN');
    const second = await scene.producer(version, own);
    await scene.commit(second, 'b', { sent: () => late.deliver() });
    await scene.commit(second, 'c');
    expect(await scene.keys()).toBe('abc');
  },
);

test.each(ways)(
  'while the markers of a transaction are not written, the next one waits (%s)',
  async (_, version, own) => {
    await using scene = await Scene.open();
    const producer = await scene.producer(version, own);
    await scene.commit(producer, 'a');
    await scene.keys();
    const asked = countRequests();
    const markers = proxy.hold('WriteTxnMarkers');
    await scene.commit(producer, 'b');
    await markers.met;
    const next = scene.commit(producer, 'c');
    // The producer's own requests have version 1; brokers send each other a later one.
    await vi.waitFor(() => expect(asked(24, 1)).toBeGreaterThan(3), { timeout: 10_000, interval: 5 });
    markers.release();
    await next;
    expect(await scene.keys()).toBe('abc');
  },
);

/** Holds the next request of a client; `deliver` resolves when the broker has answered it. */
function holdNext(api: KafkaApi) {
  const held = proxy.hold(api);
  const answered = Promise.withResolvers<void>();
  return {
    met: held.met,
    deliver(): Promise<void> {
      onAnswer = answered.resolve;
      held.release();
      return answered.promise;
    },
  };
}

test('when the epochs of a producer id are used up, the next transaction has another producer id', async () => {
  await using scene = await Scene.open();
  // After a start the coordinator has no producer ids at hand: the first that needs one is told to come again.
  const withNewId = async () => {
    await using other = await Scene.open();
    await other.commit(await other.producer(), 'x');
  };
  await withNewId();
  const producerId = 4_000_000n;
  await storeProducer(scene.transactionalId, producerId, 32_763);
  await vi.waitFor(withNewId, { timeout: 20_000, interval: 100 });
  const producer = await scene.producer();
  for (const key of 'abcd') await scene.commit(producer, key);
  const successor = await scene.producer();
  await scene.commit(successor, 'e');
  expect(await scene.keys()).toBe('abcde');
  const { text, producerId: last } = await scene.log();
  expect(text).toMatch(
    /^a@32764 commit@32765 b@32765 commit@32766 c@32766 commit@32767 d@0 commit@1 e@2 commit@3$/,
  );
  expect(last).not.toBe(producerId);
});

test('a feature at level 0 blocks the transactional id, and the relay goes on when it is raised again', async () => {
  await using scene = await Scene.open();
  const first = await scene.producer();
  await scene.commit(first, 'a');
  await scene.keys();
  await setVersion(0);
  const failure = await failureOf(scene.producer());
  expect(failure).toMatchObject({ code: 'KAFKA_UNAVAILABLE', class: 'retry' });
  expect(failure.message).toContain('UNSUPPORTED_VERSION');
  await setVersion(2);
  await kafka.nodes[0]!.restart();
  const second = await vi.waitFor(() => scene.producer(), { timeout: 20_000, interval: 100 });
  await scene.commit(second, 'b');
  expect(second.transactionVersion).toBe(2);
  expect(await scene.keys()).toBe('ab');
});

test('in protocol 1 a takeover gets another producer id when the epochs are used up', async () => {
  await using scene = await Scene.open();
  await storeProducer(scene.transactionalId, 5_000_000n, 32_764);
  for (const key of 'abc') {
    const producer = await vi.waitFor(() => scene.producer('1'), { timeout: 20_000, interval: 100 });
    await scene.commit(producer, key);
  }
  expect(await scene.keys()).toBe('abc');
  const { text, producerId } = await scene.log();
  expect(text).toBe('a@32765 commit@32765 b@32766 commit@32766 c@0 commit@0');
  expect(producerId).not.toBe(5_000_000n);
});

/** Gives the coordinator a producer that has had many transactions: writes its state, and lets the coordinator read it. */
async function storeProducer(transactionalId: string, producerId: bigint, epoch: number): Promise<void> {
  const key = Buffer.alloc(4 + transactionalId.length);
  key.writeInt16BE(transactionalId.length, 2);
  key.write(transactionalId, 4);
  const value = Buffer.alloc(37);
  value.writeBigInt64BE(producerId, 2);
  value.writeInt16BE(epoch, 10);
  value.writeInt32BE(transactionTimeoutMs, 12);
  value.writeInt32BE(-1, 17); // no partitions
  value.writeBigInt64BE(BigInt(Date.now()), 21);
  value.writeBigInt64BE(-1n, 29);
  // Only the client of this name may write to an internal topic.
  const client = new KafkaClient({
    clientId: '__admin_client',
    brokers: kafka.brokers,
    logLevel: logLevel.NOTHING,
  });
  const producer = client.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  await producer.send({ topic: '__transaction_state', messages: [{ partition: 0, key, value }] });
  await producer.disconnect();
  await kafka.nodes[0]!.restart();
}
