/**
 * Kafka's two transaction protocols on a real cluster whose feature `transaction.version` is moved: what each one writes,
 * what enters no later transaction, and how a running producer goes from one to the other.
 */

import { Kafka as KafkaClient, logLevel } from 'kafkajs';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { setFeature } from '../../../../harness/kafka-feature.ts';
import { LeanBatchBuilder } from '../../../../relay/publish/lean/batch-builder.ts';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import { endRequest, endRequest2, produceRequest2 } from '../../../../relay/publish/lean/requests.ts';
import type { TransactionalProducer } from '../../../../relay/publish/lean/transactional-producer.ts';
import { describeProtocol } from '../../../../relay/publish/transaction-protocol.ts';
import { decodeEndTxn5, decodeProduce12 } from '../../../../relay/publish/wire/flexible-answers.ts';
import { decodeEndTxn } from '../../../../relay/publish/wire/kafkajs-internals.ts';
import { type Kafka, startKafka } from '../../../../stack/kafka.ts';
import { failureOf } from '../../../support/code-of.ts';
import { kafkaClient } from '../../../support/kafka.ts';
import { configOf } from '../../settings.ts';
import { recordOf } from '../records.ts';
import { ProtocolScene, transactionTimeoutMs } from './protocol-scene.ts';

let kafka: Kafka;
let hasFeature = true;
const setVersion = (level: number) => setFeature(kafka.brokers, 'transaction.version', level);

beforeAll(async () => {
  kafka = await startKafka({ quickStart: true, settings: { 'transaction.state.log.num.partitions': 1 } });
  hasFeature = await setVersion(2).then(
    () => true,
    () => false,
  );
});
afterAll(() => kafka?.stop());
beforeEach(async (context) => {
  if (!hasFeature) context.skip('this Kafka has no transaction protocol 2');
  await setVersion(2);
});

const pool = new BufferPool();
const openScene = (partitions?: number) => ProtocolScene.open(kafka.brokers, partitions);

test('in protocol 2 each transaction has an epoch of its own, and its marker the next', async () => {
  await using scene = await openScene();
  const producer = await scene.producer();
  for (const key of 'abc') await scene.commit(producer, key);
  expect(await scene.keys()).toBe('abc');
  expect((await scene.log()).text).toBe('a@0 commit@1 b@1 commit@2 c@2 commit@3');
});

test('in protocol 1 all transactions of a producer have one epoch', async () => {
  await using scene = await openScene();
  const producer = await scene.producer('1');
  for (const key of 'abc') await scene.commit(producer, key);
  expect(await scene.keys()).toBe('abc');
  expect((await scene.log()).text).toBe('a@0 commit@0 b@0 commit@0 c@0 commit@0');
});

test('a running producer follows the feature, off and on again, and nothing is lost or doubled', async () => {
  await using scene = await openScene(3);
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
  await using scene = await openScene();
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
  await using scene = await openScene();
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
  await using scene = await openScene();
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
  await using scene = await openScene();
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
  await using scene = await openScene();
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

test('when the epochs of a producer id are used up, the next transaction has another producer id', async () => {
  await using scene = await openScene();
  // After a start the coordinator has no producer ids at hand: the first that needs one is told to come again.
  const withNewId = async () => {
    await using other = await openScene();
    await other.commit(await other.producer(), 'x');
  };
  await withNewId();
  const producerId = 4_000_000n;
  await storeProducer(scene.transactionalId, producerId, 32_763);
  await vi.waitFor(withNewId, { timeout: 30_000, interval: 100 });
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
  await using scene = await openScene();
  const first = await scene.producer();
  await scene.commit(first, 'a');
  await scene.keys();
  await setVersion(0);
  const failure = await failureOf(scene.producer());
  expect(failure).toMatchObject({ code: 'KAFKA_UNAVAILABLE', class: 'retry' });
  expect(failure.message).toContain('UNSUPPORTED_VERSION');
  await setVersion(2);
  await kafka.nodes[0]!.restart();
  const second = await vi.waitFor(() => scene.producer(), { timeout: 30_000, interval: 100 });
  await scene.commit(second, 'b');
  expect(second.transactionVersion).toBe(2);
  expect(await scene.keys()).toBe('ab');
});

test('in protocol 1 a takeover gets another producer id when the epochs are used up', async () => {
  await using scene = await openScene();
  await storeProducer(scene.transactionalId, 5_000_000n, 32_764);
  for (const key of 'abc') {
    const producer = await vi.waitFor(() => scene.producer('1'), { timeout: 30_000, interval: 100 });
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
