import { describe, expect, test, vi } from 'vitest';
import { LeanBatchBuilder, type PartitionBatches } from '../../../../relay/publish/lean/batch-builder.ts';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import { TransactionalProducer } from '../../../../relay/publish/lean/transactional-producer.ts';
import { encodeProduceAnswer } from '../../../../simulate/kafka/codec.ts';
import { failureOf } from '../../../support/code-of.ts';
import { recordOf } from '../records.ts';
import { partsOf } from './parts-of.ts';
import { type Api, epoch, type Reply, ScriptedKafka } from './scripted-kafka.ts';

const open = (kafka: ScriptedKafka, requestTimeoutMs = 2_000) =>
  TransactionalProducer.open(kafka.client, {
    transactionalId: 'relay',
    transactionTimeoutMs: 60_000,
    requestTimeoutMs,
    topic: 'progress',
    transactionVersion: '1',
  });

async function scene(options: ConstructorParameters<typeof ScriptedKafka>[0] = {}) {
  const kafka = new ScriptedKafka(options);
  const producer = await open(kafka);
  kafka.asked.length = 0;
  return { kafka, producer };
}

/** Records so large that each has a batch, and a request, of its own. */
function manyBatches(partition: number, count: number): PartitionBatches {
  const builder = new LeanBatchBuilder(new BufferPool());
  for (let i = 0; i < count; i++)
    builder.append(recordOf({ topic: 't', partition, value: Buffer.alloc(500_000) }));
  return [...builder.partitions()][0]!;
}

describe('taking the transactional id', () => {
  test.each<[string, Reply, number]>([
    ['the coordinator is still ending the previous transaction', 51, 1],
    ['the coordinator moved', 16, 2],
    ['the coordinator is loading', 14, 2],
    ['the connection is lost', 'lost', 2],
  ])('is retried if %s', async (_, reply, opened) => {
    const kafka = new ScriptedKafka();
    kafka.reply('InitProducerId', reply);
    await (await open(kafka)).close();
    expect(kafka.apis).toEqual(['InitProducerId', 'InitProducerId']);
    expect(kafka.opened, 'a new connection only if the old one is unusable').toBe(opened);
    expect(kafka.closed).toBe(opened);
  });

  test('is not retried if the relay has no right to the id', async () => {
    const kafka = new ScriptedKafka();
    kafka.reply('InitProducerId', 53);
    expect((await failureOf(open(kafka))).code).toBe('KAFKA_UNAUTHORIZED');
    expect(kafka.count('InitProducerId')).toBe(1);
    expect(kafka.closed).toBe(1);
  });

  test('fails after the request timeout', async () => {
    const kafka = new ScriptedKafka();
    kafka.reply('InitProducerId', ...Array<Reply>(1_000).fill(51));
    const failure = await failureOf(open(kafka, 200));
    expect(failure.code).toBe('KAFKA_UNAVAILABLE');
    expect(failure.context.kafkaError).toBe('CONCURRENT_TRANSACTIONS');
    expect(kafka.closed).toBe(1);
  });
});

describe('a transaction', () => {
  test('adds its partitions, sends to each leader, then commits, all with the assigned epoch', async () => {
    const { kafka, producer } = await scene({ leaderOf: (_, partition) => partition % 2 });
    await producer.commit(partsOf(0, 1, 2));
    expect(kafka.apis).toEqual(['AddPartitionsToTxn', 'Produce', 'Produce', 'EndTxn']);
    const [add, first, second, end] = kafka.asked;
    expect(add?.request).toMatchObject({ epoch, partitions: [0, 1, 2].map((partition) => ({ partition })) });
    expect([first?.broker, second?.broker].sort()).toEqual([0, 1]);
    const batches = [first, second].flatMap((one) =>
      one?.request?.api === 'Produce' ? one.request.batches : [],
    );
    expect(batches.map(({ partition }) => partition).sort()).toEqual([0, 1, 2]);
    for (const batch of batches) expect(batch.epoch).toBe(epoch);
    expect(end?.request).toMatchObject({ epoch, isCommit: true });
  });

  test('continues the sequence numbers of the previous one', async () => {
    const { kafka, producer } = await scene();
    await producer.commit(partsOf(0, 0, 1));
    await producer.commit(partsOf(0));
    const produced = kafka.asked.flatMap(({ request }) =>
      request?.api === 'Produce' ? request.batches : [],
    );
    expect(produced.map(({ partition, sequence }) => [partition, sequence])).toEqual([
      [0, 0],
      [1, 0],
      [0, 2],
    ]);
  });

  test('is not committed before the coordinator has answered', async () => {
    const { kafka, producer } = await scene();
    kafka.reply('EndTxn', 'silence');
    const asked = Promise.withResolvers<void>();
    let isSettled = false;
    const committed = producer.commit(partsOf(0), { ending: async () => asked.resolve() });
    const failure = failureOf(committed).finally(() => {
      isSettled = true;
    });
    await asked.promise;
    await new Promise(setImmediate);
    expect(isSettled).toBe(false);
    await producer.close();
    expect((await failure).code).toBe('PUBLISH_UNCERTAIN');
  });
});

describe('before the first record is sent', () => {
  test.each<[string, Reply, number]>([
    ['the coordinator is still ending the previous transaction', 51, 0],
    ['the coordinator moved', 16, 1],
    ['a partition has no leader', 5, 1],
    ['the connection is lost', 'lost', 1],
  ])('the producer retries if %s', async (_, reply, reopened) => {
    const { kafka, producer } = await scene();
    kafka.reply('AddPartitionsToTxn', reply);
    await producer.commit(partsOf(0));
    expect(kafka.apis).toEqual(['AddPartitionsToTxn', 'AddPartitionsToTxn', 'Produce', 'EndTxn']);
    expect(kafka.opened).toBe(1 + reopened);
    await producer.commit(partsOf(0));
  });

  test.each<[string, Reply, string]>([
    ['another relay took over (INVALID_PRODUCER_EPOCH)', 47, 'PRODUCER_FENCED'],
    ['another relay took over (PRODUCER_FENCED)', 90, 'PRODUCER_FENCED'],
    ['a topic is forbidden', 29, 'KAFKA_UNAUTHORIZED'],
    ['the coordinator forgot the producer', 49, 'KAFKA_UNAVAILABLE'],
    ['the transaction cannot begin', 48, 'KAFKA_UNAVAILABLE'],
  ])('the producer fails at once if %s, and sends nothing', async (_, reply, code) => {
    const { kafka, producer } = await scene();
    kafka.reply('AddPartitionsToTxn', reply);
    expect((await failureOf(producer.commit(partsOf(0)))).code).toBe(code);
    expect(kafka.apis).toEqual(['AddPartitionsToTxn']);
  });

  test('a lost connection to a leader is found and replaced', async () => {
    const { kafka, producer } = await scene({ leaderOf: () => 1 });
    await producer.commit(partsOf(0));
    kafka.loseConnections(1);
    await producer.commit(partsOf(0));
    expect(kafka.opened).toBe(2);
    expect(kafka.count('Produce')).toBe(2);
  });

  test('a broker without our version of Produce is refused', async () => {
    const { kafka, producer } = await scene({ produceVersion: 6 });
    const failure = await failureOf(producer.commit(partsOf(0)));
    expect(failure.code).toBe('KAFKA_UNSUITABLE');
    expect(failure.message).toContain('Produce version 7');
    expect(kafka.asked).toEqual([]);
  });

  test('the producer stops retrying once it is closed', async () => {
    const { kafka, producer } = await scene();
    kafka.reply('AddPartitionsToTxn', 'silence');
    const failure = failureOf(producer.commit(partsOf(0)));
    await vi.waitFor(() => expect(kafka.asked).toHaveLength(1), { timeout: 30_000, interval: 1 });
    await producer.close();
    expect((await failure).code).toBe('KAFKA_UNAVAILABLE');
    expect([kafka.opened, kafka.closed]).toEqual([1, 1]);
  });

  test('a connection that is established after the producer was closed is closed too', async () => {
    const { kafka, producer } = await scene();
    kafka.reply('AddPartitionsToTxn', 16);
    kafka.onConnect = () => producer.close();
    expect((await failureOf(producer.commit(partsOf(0)))).code).toBe('KAFKA_UNAVAILABLE');
    expect(kafka.apis).toEqual(['AddPartitionsToTxn']);
    expect([kafka.opened, kafka.closed]).toEqual([2, 2]);
  });
});

describe('from the first record on', () => {
  const cases: [string, Api, Reply, string][] = [
    ['a leader moved', 'Produce', 6, 'PUBLISH_UNCERTAIN'],
    ['a leader could not replicate in time', 'Produce', 7, 'PUBLISH_UNCERTAIN'],
    ['a sequence number is out of order', 'Produce', 45, 'PUBLISH_UNCERTAIN'],
    ['the connection is lost during Produce', 'Produce', 'lost', 'PUBLISH_UNCERTAIN'],
    [
      'Produce is answered without the partition',
      'Produce',
      () => encodeProduceAnswer([]),
      'PUBLISH_UNCERTAIN',
    ],
    ['another relay took over during Produce', 'Produce', 47, 'PRODUCER_FENCED'],
    ['a topic is forbidden', 'Produce', 29, 'KAFKA_UNAUTHORIZED'],
    ['a batch is too large', 'Produce', 10, 'PUBLISH_REFUSED'],
    ['the coordinator is busy at the commit', 'EndTxn', 51, 'PUBLISH_UNCERTAIN'],
    ['the coordinator moved at the commit', 'EndTxn', 16, 'PUBLISH_UNCERTAIN'],
    ['the coordinator has aborted the transaction', 'EndTxn', 48, 'PUBLISH_UNCERTAIN'],
    ['the connection is lost during the commit', 'EndTxn', 'lost', 'PUBLISH_UNCERTAIN'],
    ['another relay took over before the commit', 'EndTxn', 90, 'PRODUCER_FENCED'],
  ];
  test.each(cases)('nothing is retried if %s', async (_, api, reply, code) => {
    const { kafka, producer } = await scene();
    kafka.reply(api, reply);
    expect((await failureOf(producer.commit(partsOf(0)))).code).toBe(code);
    expect(kafka.apis).toEqual(['AddPartitionsToTxn', 'Produce', ...(api === 'EndTxn' ? ['EndTxn'] : [])]);
    expect(kafka.opened).toBe(1);
  });

  test('an offset that does not increase leaves the outcome uncertain', async () => {
    const { kafka, producer } = await scene();
    await producer.commit(partsOf(0));
    kafka.reply('Produce', () => encodeProduceAnswer([{ topic: 't', partition: 0, error: 0, offset: 0 }]));
    expect((await failureOf(producer.commit(partsOf(0)))).code).toBe('PUBLISH_UNCERTAIN');
    expect(kafka.count('EndTxn')).toBe(1);
  });

  test('a failure at one leader stops the sends to the others', async () => {
    const { kafka, producer } = await scene({ leaderOf: (_, partition) => partition });
    kafka.reply('Produce', 6);
    const failure = failureOf(producer.commit([...partsOf(0), manyBatches(1, 20)]));
    expect((await failure).code).toBe('PUBLISH_UNCERTAIN');
    for (let i = 0; i < 50; i++) await new Promise(setImmediate);
    expect(kafka.count('Produce')).toBeLessThan(20);
    expect(kafka.count('EndTxn')).toBe(0);
  });

  test('closing the producer before the commit leaves the outcome uncertain', async () => {
    const { kafka, producer } = await scene();
    const failure = await failureOf(producer.commit(partsOf(0), { sent: () => producer.close() }));
    expect(failure.code).toBe('PUBLISH_UNCERTAIN');
    expect(kafka.count('EndTxn')).toBe(0);
  });
});

test('a producer refuses all further work after any failure', async () => {
  for (const api of ['AddPartitionsToTxn', 'Produce', 'EndTxn'] as const) {
    const { kafka, producer } = await scene();
    kafka.reply(api, 48);
    const first = await failureOf(producer.commit(partsOf(0)));
    kafka.asked.length = 0;
    const second = await failureOf(producer.commit(partsOf(0)));
    expect(second.code).toBe('INTERNAL');
    expect(second.cause).toBe(first);
    expect(kafka.asked).toEqual([]);
  }
});

test('a second concurrent transaction is refused, and the first continues', async () => {
  const { kafka, producer } = await scene();
  const first = producer.commit(partsOf(0));
  expect((await failureOf(producer.commit(partsOf(1)))).code).toBe('INTERNAL');
  await first;
  expect(kafka.count('EndTxn')).toBe(1);
});
