import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { RelayError } from '../../../../relay/errors.ts';
import { LeanBatchBuilder } from '../../../../relay/publish/lean/batch-builder.ts';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import { TransactionalProducer } from '../../../../relay/publish/lean/transactional-producer.ts';
import { failureOf } from '../../../support/code-of.ts';
import { readCommitted, withAdmin } from '../../../support/kafka.ts';
import { recordOf } from '../records.ts';
import { Scene } from './scene.ts';

test('keys, values and headers arrive unchanged, whatever they contain', async () => {
  await using scene = await Scene.open();
  const publisher = await scene.publisher();
  const own = { id: 'i', type: 'Placed', position: 'p' };
  const sent = [
    { key: '', value: Buffer.from([1]), headers: own },
    { key: 'schlüssel-🔑', value: Buffer.alloc(0), headers: { ...own, näme: 'wért', empty: '' } },
    { key: 'k'.repeat(300), value: Buffer.alloc(900 * 1024, 0xab), headers: {} },
    {
      key: 'k',
      value: Buffer.from('v'),
      headers: Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`h${i}`, `${i}`])),
    },
  ];
  await scene.publish(publisher, sent);
  const read = await readCommitted({ topics: [scene.topic] });
  expect(read.map(({ key, headers }) => ({ key, headers }))).toEqual(
    sent.map(({ key, headers }) => ({ key, headers })),
  );
  for (const [index, { value }] of sent.entries()) expect(read[index]?.value?.equals(value)).toBe(true);
});

test('ten thousand events over twelve partitions are one transaction, and each partition keeps its order', async () => {
  await using scene = await Scene.open({ partitions: 12 });
  const publisher = await scene.publisher();
  const sent = Array.from({ length: 10_000 }, (_, i) => ({
    key: String(i),
    partition: (i * 7) % 12,
    value: Buffer.alloc(300, i),
  }));
  await scene.publish(publisher, sent);
  const read = await readCommitted({ topics: [scene.topic] });
  expect(read).toHaveLength(10_000);
  for (let partition = 0; partition < 12; partition++) {
    const keys = (records: readonly { key: string | null; partition: number }[]) =>
      records.filter((record) => record.partition === partition).map(({ key }) => key);
    expect(keys(read)).toEqual(keys(sent));
  }
});

test('a partition of many record batches keeps its order', async () => {
  await using scene = await Scene.open();
  const publisher = await scene.publisher();
  const sent = Array.from({ length: 12 }, (_, i) => ({ key: String(i), value: Buffer.alloc(500_000, i) }));
  await scene.publish(publisher, sent);
  const read = await readCommitted({ topics: [scene.topic] });
  expect(read.map(({ key }) => key)).toEqual(sent.map(({ key }) => key));
});

test('the claim finds the progress that was committed last, or null', async () => {
  await using scene = await Scene.open();
  const first = await scene.publisher();
  expect(await first.claim(scene.tail)).toBeNull();
  await scene.publish(first, [{}, {}]);
  await scene.publish(first, [{}]);
  const second = await scene.publisher();
  expect(await second.claim(scene.tail)).toEqual(scene.progress(3));
});

test('five hundred consecutive small transactions do not stall', async () => {
  await using scene = await Scene.open({ partitions: 3 });
  const publisher = await scene.publisher();
  const begunMs = performance.now();
  for (let i = 0; i < 500; i++)
    await scene.publish(publisher, [
      { key: `${i}/0`, partition: 0 },
      { key: `${i}/1`, partition: i % 3 },
    ]);
  // With the 300 ms that kafkajs waits on CONCURRENT_TRANSACTIONS it would be 150 s.
  expect(performance.now() - begunMs).toBeLessThan(30_000);
  const read = await readCommitted({ topics: [scene.topic] });
  expect(new Set(read.map(({ key }) => key)).size).toBe(1_000);
  expect(read).toHaveLength(1_000);
});

test("a successor fences this producer, whether it is kafkajs's or ours", async () => {
  await using scene = await Scene.open();
  const first = await scene.publisher();
  await scene.publish(first, [{ key: 'first' }]);

  const foreign = scene.kafka.producer({ transactionalId: scene.transactionalId, maxInFlightRequests: 1 });
  await foreign.connect();
  try {
    const transaction = await foreign.transaction();
    await transaction.send({ topic: scene.topic, messages: [{ key: 'foreign', value: 'v' }] });
    await transaction.commit();
    expect((await failureOf(scene.publish(first, [{ key: 'fenced' }]))).code).toBe('PRODUCER_FENCED');

    const second = await scene.publisher();
    const late = await foreign.transaction();
    await expect(
      late.send({ topic: scene.topic, messages: [{ key: 'late', value: 'v' }] }),
    ).rejects.toMatchObject({ message: expect.stringMatching(/epoch/i) });

    await scene.publisher();
    expect((await failureOf(scene.publish(second, [{ key: 'fenced too' }]))).code).toBe('PRODUCER_FENCED');
  } finally {
    await foreign.disconnect();
  }
  const read = await readCommitted({ topics: [scene.topic] });
  expect(read.map(({ key }) => key)).toEqual(['first', 'foreign']);
});

test("a predecessor's open transaction is aborted, and nothing of it is visible", async () => {
  await using scene = await Scene.open();
  const foreign = scene.kafka.producer({ transactionalId: scene.transactionalId, maxInFlightRequests: 1 });
  await foreign.connect();
  try {
    const transaction = await foreign.transaction();
    await transaction.send({ topic: scene.topic, messages: [{ key: 'open', value: 'v' }] });
    const publisher = await scene.publisher();
    await scene.publish(publisher, [{ key: 'own' }]);
    await expect(transaction.commit()).rejects.toMatchObject({ message: expect.stringMatching(/epoch/i) });
  } finally {
    await foreign.disconnect();
  }
  const read = await readCommitted({ topics: [scene.topic] });
  expect(read.map(({ key }) => key)).toEqual(['own']);
});

test('sequence numbers wrap around', async () => {
  await using scene = await Scene.open();
  const pool = new BufferPool();
  const producer = await TransactionalProducer.open(scene.kafka, {
    transactionalId: scene.transactionalId,
    transactionTimeoutMs: 60_000,
    requestTimeoutMs: 15_000,
    topic: scene.config.kafka.progressTopic,
    transactionVersion: '1',
    firstSequence: 2 ** 31 - 4,
  });
  try {
    // The numbers wrap around within the second batch; the third begins after that.
    for (const names of ['ab', 'cde', 'fg']) {
      const batch = new LeanBatchBuilder(pool);
      for (const key of names) batch.append(recordOf({ topic: scene.topic, key }));
      await producer.commit([...batch.partitions()]);
      batch.release();
    }
  } finally {
    await producer.close();
  }
  const read = await readCommitted({ topics: [scene.topic] });
  expect(read.map(({ key }) => key).join('')).toBe('abcdefg');
});

test('a partition that does not exist fails before anything is sent, and the producer refuses further work', async () => {
  await using scene = await Scene.open({ settings: { KAFKA_REQUEST_TIMEOUT_MS: 1_000 } });
  const publisher = await scene.publisher();
  const failure = await failureOf(scene.publish(publisher, [{ key: 'kept' }, { partition: 9 }]));
  expect(failure).toBeInstanceOf(RelayError);
  expect(failure.code).toBe('KAFKA_UNAVAILABLE');
  expect(failure.context.kafkaError).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  expect((await failureOf(scene.publish(publisher, [{}]))).code).toBe('INTERNAL');
  expect(await readCommitted({ topics: [scene.topic] })).toEqual([]);
});

test("a record batch beyond the topic's limit is refused by name; a publisher that knows the limit stays within it", async () => {
  await using scene = await Scene.open();
  const sent = Array.from({ length: 20 }, (_, i) => ({ key: String(i), value: randomBytes(1_000) }));
  await withAdmin((admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: 2,
          name: scene.topic,
          configEntries: [{ name: 'max.message.bytes', value: '5000' }],
        },
      ],
    }),
  );
  const unaware = await scene.publisher();
  const failure = await failureOf(scene.publish(unaware, sent));
  expect(failure.code).toBe('PUBLISH_REFUSED');
  expect(failure.context.kafkaError).toBe('MESSAGE_TOO_LARGE');

  const aware = await scene.publisher();
  await scene.publish(
    aware,
    sent.map((record) => ({ ...record, maxBatchBytes: 5_000 - 61 })),
  );
  const read = await readCommitted({ topics: [scene.topic] });
  expect(read.map(({ key }) => key)).toEqual(sent.map(({ key }) => key));
});
