/** Which requests a transaction of protocol 2 consists of, what follows from each answer, and how a producer changes the protocol. */

import { describe, expect, test } from 'vitest';
import { addsFirst } from '../../../../relay/publish/lean/transaction-version.ts';
import {
  type ProducerOptions,
  TransactionalProducer,
} from '../../../../relay/publish/lean/transactional-producer.ts';
import { encodeProduceAnswer } from '../../../../simulate/kafka/codec.ts';
import { failureOf } from '../../../support/code-of.ts';
import { partsOf } from './parts-of.ts';
import { type Api, epoch, type Reply, ScriptedKafka, type ScriptOptions } from './scripted-kafka.ts';

async function scene(options: ScriptOptions = {}, own: Partial<ProducerOptions> = {}) {
  const kafka = new ScriptedKafka({ transactionVersion: 2, ...options });
  const producer = await TransactionalProducer.open(kafka.client, {
    transactionalId: 'relay',
    transactionTimeoutMs: 60_000,
    requestTimeoutMs: 2_000,
    topic: 'progress',
    transactionVersion: 'auto',
    featureMaxAgeMs: 0,
    addsFirst: (version, leaders) => version === 1 || leaders > 1,
    ...own,
  });
  kafka.asked.length = 0;
  return { kafka, producer };
}

/** The requests, without those that ask for the feature: name, version, and epoch where there is one. */
const told = ({ asked }: ScriptedKafka): string[] =>
  asked.flatMap(({ request }) => {
    if (request === undefined || request.api === 'ApiVersions') return [];
    const ofBatch = request.api === 'Produce' ? request.batches[0]?.epoch : undefined;
    return [`${request.api} ${request.version} @${'epoch' in request ? request.epoch : ofBatch}`];
  });

const sequences = ({ asked }: ScriptedKafka): number[] =>
  asked.flatMap(({ request }) =>
    request?.api === 'Produce' ? request.batches.map(({ sequence }) => sequence) : [],
  );

describe('a transaction of protocol 2', () => {
  test('has two requests and an epoch of its own, and numbers its records from 0', async () => {
    const { kafka, producer } = await scene();
    await producer.commit(partsOf(0, 0));
    await producer.commit(partsOf(0));
    expect(told(kafka)).toEqual([
      `Produce 12 @${epoch}`,
      `EndTxn 5 @${epoch}`,
      `Produce 12 @${epoch + 1}`,
      `EndTxn 5 @${epoch + 1}`,
    ]);
    expect(sequences(kafka)).toEqual([0, 0]);
  });

  test('goes on with another producer id when the epochs are used up', async () => {
    const { kafka, producer } = await scene();
    kafka.reply('EndTxn', { producerId: 9_000, epoch: 0 });
    await producer.commit(partsOf(0));
    await producer.commit(partsOf(0));
    expect(told(kafka).slice(2)).toEqual(['Produce 12 @0', 'EndTxn 5 @0']);
    const { request } = kafka.asked.at(-1)!;
    expect(request).toMatchObject({ producerId: 9_000 });
  });

  test('adds its partitions in a request of its own if several leaders would', async () => {
    const { kafka, producer } = await scene({ leaderOf: (_, partition) => partition % 2 });
    await producer.commit(partsOf(0, 1));
    expect(told(kafka)).toEqual([
      `AddPartitionsToTxn 1 @${epoch}`,
      `Produce 12 @${epoch}`,
      `Produce 12 @${epoch}`,
      `EndTxn 5 @${epoch}`,
    ]);
  });

  test('adds them too right after the previous one', async () => {
    const { kafka, producer } = await scene({}, { addsFirst });
    await producer.commit(partsOf(0));
    await producer.commit(partsOf(0));
    expect(kafka.apis.filter((api) => api !== 'ApiVersions')).toEqual([
      ...['Produce', 'EndTxn'],
      ...['AddPartitionsToTxn', 'Produce', 'EndTxn'],
    ]);
  });

  test('that the leader refuses as a whole, because the previous one is ending, is sent again unchanged', async () => {
    const { kafka, producer } = await scene();
    kafka.reply('Produce', 51);
    kafka.reply('AddPartitionsToTxn', 51, 51);
    await producer.commit(partsOf(0, 1));
    expect(kafka.apis.filter((api) => api !== 'ApiVersions')).toEqual([
      'Produce',
      ...['AddPartitionsToTxn', 'AddPartitionsToTxn', 'AddPartitionsToTxn'],
      ...['Produce', 'EndTxn'],
    ]);
    const [first, second] = kafka.asked.filter(({ api }) => api === 'Produce');
    expect(second?.request).toEqual(first?.request);
  });

  test.each<[string, Reply]>([
    ['in part', (batches) => busyFor(batches.slice(1), batches.slice(0, 1))],
    ['for another reason', 19],
  ])('that the leader refuses %s is not sent again', async (_, reply) => {
    const { kafka, producer } = await scene();
    kafka.reply('Produce', reply);
    expect((await failureOf(producer.commit(partsOf(0, 1)))).code).toBe('PUBLISH_UNCERTAIN');
    expect(kafka.count('Produce')).toBe(1);
    expect(kafka.count('AddPartitionsToTxn')).toBe(0);
  });

  test('is not sent again if its partitions were added before', async () => {
    const { kafka, producer } = await scene({}, { addsFirst: () => true });
    kafka.reply('Produce', 51);
    expect((await failureOf(producer.commit(partsOf(0)))).code).toBe('PUBLISH_UNCERTAIN');
    expect(kafka.count('Produce')).toBe(1);
  });

  test('is not sent again if the coordinator then refuses the partitions', async () => {
    for (const reply of [47, 16, 'lost'] as const) {
      const { kafka, producer } = await scene();
      kafka.reply('Produce', 51);
      kafka.reply('AddPartitionsToTxn', reply);
      const { code } = await failureOf(producer.commit(partsOf(0)));
      expect(code).toBe(reply === 47 ? 'PRODUCER_FENCED' : 'PUBLISH_UNCERTAIN');
      expect([kafka.count('Produce'), kafka.count('EndTxn'), kafka.opened]).toEqual([1, 0, 1]);
    }
  });

  const cases: [string, Api, Reply, string][] = [
    ['a leader moved', 'Produce', 6, 'PUBLISH_UNCERTAIN'],
    ['the leader cannot ask the coordinator', 'Produce', 19, 'PUBLISH_UNCERTAIN'],
    ['a sequence number is out of order', 'Produce', 45, 'PUBLISH_UNCERTAIN'],
    ['the transaction has ended', 'Produce', 48, 'PUBLISH_UNCERTAIN'],
    ['the coordinator forgot the producer', 'Produce', 49, 'PUBLISH_UNCERTAIN'],
    ['the leader asks to abort', 'Produce', 120, 'PUBLISH_UNCERTAIN'],
    ['the leader forgot the producer', 'Produce', 59, 'PUBLISH_UNCERTAIN'],
    ['the connection is lost during Produce', 'Produce', 'lost', 'PUBLISH_UNCERTAIN'],
    ['another relay took over during Produce', 'Produce', 47, 'PRODUCER_FENCED'],
    ['a batch is too large', 'Produce', 10, 'PUBLISH_REFUSED'],
    ['the coordinator is busy at the commit', 'EndTxn', 51, 'PUBLISH_UNCERTAIN'],
    ['the coordinator moved at the commit', 'EndTxn', 16, 'PUBLISH_UNCERTAIN'],
    ['the coordinator has no next producer id', 'EndTxn', 14, 'PUBLISH_UNCERTAIN'],
    ['the coordinator has aborted the transaction', 'EndTxn', 48, 'PUBLISH_UNCERTAIN'],
    ['the coordinator asks to abort', 'EndTxn', 120, 'PUBLISH_UNCERTAIN'],
    ['the connection is lost during the commit', 'EndTxn', 'lost', 'PUBLISH_UNCERTAIN'],
    ['another relay took over before the commit', 'EndTxn', 90, 'PRODUCER_FENCED'],
    ['the answer assigns no next epoch', 'EndTxn', { producerId: -1, epoch: -1 }, 'PUBLISH_UNCERTAIN'],
    ['the answer assigns an unexpected epoch', 'EndTxn', { producerId: 4_711, epoch }, 'PUBLISH_UNCERTAIN'],
  ];
  test.each(cases)('nothing is retried if %s', async (_, api, reply, code) => {
    const { kafka, producer } = await scene();
    kafka.reply(api, reply);
    expect((await failureOf(producer.commit(partsOf(0)))).code).toBe(code);
    expect(kafka.count('Produce')).toBe(1);
    expect(kafka.count('EndTxn')).toBe(api === 'EndTxn' ? 1 : 0);
    expect(kafka.opened).toBe(1);
    expect((await failureOf(producer.commit(partsOf(0)))).code).toBe('INTERNAL');
  });
});

/** An answer that refuses some batches because the coordinator is busy, and appends the others. */
const busyFor = (
  busy: readonly { topic: string; partition: number }[],
  appended: readonly { topic: string; partition: number }[],
): Buffer =>
  encodeProduceAnswer(
    [
      ...busy.map(({ topic, partition }) => ({ topic, partition, error: 51, offset: -1 })),
      ...appended.map(({ topic, partition }) => ({ topic, partition, error: 0, offset: 0 })),
    ],
    12,
  );

describe('the protocol', () => {
  test.each<[string, ScriptOptions, Partial<ProducerOptions>]>([
    ['the cluster knows no features', { transactionVersion: undefined }, {}],
    ['the feature is at level 1', { transactionVersion: 1 }, {}],
    ['the feature is off', { transactionVersion: 0 }, {}],
    ['a broker lacks the version of Produce', { produceVersion: 11 }, {}],
    ['the setting says so', {}, { transactionVersion: '1' }],
  ])('is 1 if %s', async (_, options, own) => {
    const { kafka, producer } = await scene(options, own);
    await producer.commit(partsOf(0));
    await producer.commit(partsOf(0));
    expect(told(kafka)).toEqual(
      ['AddPartitionsToTxn 1', 'Produce 7', 'EndTxn 1', 'AddPartitionsToTxn 1', 'Produce 7', 'EndTxn 1'].map(
        (one) => `${one} @${epoch}`,
      ),
    );
    expect(sequences(kafka)).toEqual([0, 1]);
  });

  test('changes to 2 with a raised epoch, and back to 1 without a request', async () => {
    const { kafka, producer } = await scene({ transactionVersion: 1 });
    await producer.commit(partsOf(0));
    kafka.finalize(2);
    await producer.commit(partsOf(0));
    kafka.finalize(1);
    await producer.commit(partsOf(0));
    await producer.commit(partsOf(0));
    expect(told(kafka)).toEqual([
      ...['AddPartitionsToTxn 1', 'Produce 7', 'EndTxn 1'].map((one) => `${one} @${epoch}`),
      `InitProducerId 4 @${epoch}`,
      ...['Produce 12', 'EndTxn 5'].map((one) => `${one} @${epoch + 1}`),
      ...['AddPartitionsToTxn 1', 'Produce 7', 'EndTxn 1'].map((one) => `${one} @${epoch + 2}`),
      ...['AddPartitionsToTxn 1', 'Produce 7', 'EndTxn 1'].map((one) => `${one} @${epoch + 2}`),
    ]);
    expect(sequences(kafka)).toEqual([0, 0, 0, 1]);
  });

  test('needs no raised epoch before the first transaction', async () => {
    const { kafka, producer } = await scene();
    await producer.commit(partsOf(0));
    expect(kafka.count('InitProducerId')).toBe(0);
  });

  test.each<[string, Reply, number]>([
    ['the previous transaction is ending', 51, 1],
    ['the coordinator moved', 16, 2],
    ['the connection is lost', 'lost', 2],
  ])('is retried to be changed if %s, with the same identity', async (_, reply, opened) => {
    const { kafka, producer } = await scene({ transactionVersion: 1 });
    await producer.commit(partsOf(0));
    kafka.finalize(2);
    kafka.reply('InitProducerId', reply);
    await producer.commit(partsOf(0));
    expect(told(kafka).slice(3)).toEqual([
      `InitProducerId 4 @${epoch}`,
      `InitProducerId 4 @${epoch}`,
      `Produce 12 @${epoch + 1}`,
      `EndTxn 5 @${epoch + 1}`,
    ]);
    expect(kafka.opened).toBe(opened);
  });

  test('is not changed by a producer that another one has fenced', async () => {
    const { kafka, producer } = await scene({ transactionVersion: 1 });
    await producer.commit(partsOf(0));
    kafka.finalize(2);
    kafka.reply('InitProducerId', 90);
    expect((await failureOf(producer.commit(partsOf(0)))).code).toBe('PRODUCER_FENCED');
    expect(kafka.count('Produce')).toBe(1);
  });

  test.each<[string, Api]>([
    ['to change it', 'InitProducerId'],
    ['to add partitions', 'AddPartitionsToTxn'],
  ])(
    'ends the session, and not the relay, if the coordinator cannot store what it is asked %s',
    async (_, api) => {
      const { kafka, producer } = await scene({ transactionVersion: 1 });
      await producer.commit(partsOf(0));
      if (api === 'InitProducerId') kafka.finalize(2);
      kafka.reply(api, 35);
      const failure = await failureOf(producer.commit(partsOf(0)));
      expect(failure).toMatchObject({ code: 'KAFKA_UNAVAILABLE', class: 'retry' });
      expect(failure.message).toContain(`${api} with UNSUPPORTED_VERSION`);
      expect(kafka.count('Produce')).toBe(1);
    },
  );

  test('ends the session, and not the relay, if the coordinator cannot store a takeover', async () => {
    const kafka = new ScriptedKafka({ transactionVersion: 0 });
    kafka.reply('InitProducerId', 35);
    const options = { transactionalId: 'relay', transactionTimeoutMs: 60_000, requestTimeoutMs: 2_000 };
    const open = () =>
      TransactionalProducer.open(kafka.client, { ...options, topic: 'progress', transactionVersion: 'auto' });
    const failure = await failureOf(open());
    expect(failure).toMatchObject({ code: 'KAFKA_UNAVAILABLE', class: 'retry' });
    expect(failure.message).toContain('set it to 1 or 2');
    // The next session looks again, and uses what there is.
    kafka.finalize(1);
    const producer = await open();
    await producer.commit(partsOf(0));
    expect(told(kafka).at(-1)).toBe(`EndTxn 1 @${epoch}`);
  });

  test('is not changed once the partitions of a transaction may have been added', async () => {
    const { kafka, producer } = await scene({ transactionVersion: 1 });
    await producer.commit(partsOf(0));
    kafka.asked.length = 0;
    kafka.reply('AddPartitionsToTxn', 'lost');
    const committed = producer.commit(partsOf(0));
    kafka.onConnect = () => kafka.finalize(2);
    await committed;
    expect(told(kafka)).toEqual(
      ['AddPartitionsToTxn 1', 'AddPartitionsToTxn 1', 'Produce 7', 'EndTxn 1'].map(
        (one) => `${one} @${epoch}`,
      ),
    );
  });

  test('is asked for at a new connection, and not at each transaction', async () => {
    const { kafka, producer } = await scene({}, { featureMaxAgeMs: 60_000 });
    await producer.commit(partsOf(0));
    kafka.finalize(1);
    await producer.commit(partsOf(0));
    expect(kafka.count('ApiVersions')).toBe(1);
    kafka.loseConnections(0);
    await producer.commit(partsOf(0));
    expect(kafka.count('ApiVersions')).toBe(2);
    expect(told(kafka).slice(4)).toEqual(
      ['AddPartitionsToTxn 1', 'Produce 7', 'EndTxn 1'].map((one) => `${one} @${epoch + 2}`),
    );
  });

  test('stays as it is while a broker that lags behind tells of an earlier level', async () => {
    const { kafka, producer } = await scene();
    await producer.commit(partsOf(0));
    kafka.reply('ApiVersions', 35);
    await producer.commit(partsOf(0));
    expect(told(kafka).at(-1)).toBe(`EndTxn 5 @${epoch + 1}`);
  });
});
