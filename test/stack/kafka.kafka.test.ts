import { expect, test } from 'vitest';
import { createTopic, kafkaClient, readCommitted, withAdmin } from '../support/kafka.ts';
import { unique } from '../support/unique.ts';

test('a committed Kafka transaction is read, an aborted one is not', async () => {
  const topic = await createTopic('transactions', 2);
  const producer = (await kafkaClient()).producer({
    transactionalId: unique('producer'),
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  try {
    const aborted = await producer.transaction();
    await aborted.send({ topic, messages: [{ key: 'a', value: 'aborted', partition: 0 }] });
    await aborted.abort();
    const committed = await producer.transaction();
    await committed.send({
      topic,
      messages: [
        { key: 'a', value: 'first', partition: 0, headers: { id: '1' } },
        { key: 'b', value: 'second', partition: 1, headers: { id: '2' } },
      ],
    });
    await committed.commit();
  } finally {
    await producer.disconnect();
  }
  const records = await readCommitted({ topics: [topic] });
  const seen = records.map(({ partition, key, value, headers }) => [
    partition,
    key,
    String(value),
    headers.id,
  ]);
  expect(seen.toSorted()).toEqual([
    [0, 'a', 'first', '1'],
    [1, 'b', 'second', '2'],
  ]);
});

test('Kafka does not create a topic because somebody writes to it', async () => {
  const topic = unique('absent');
  const producer = (await kafkaClient()).producer({ retry: { retries: 0 } });
  await producer.connect();
  try {
    await expect(producer.send({ topic, messages: [{ value: 'lost?' }] })).rejects.toThrow();
  } finally {
    await producer.disconnect();
  }
  expect(await withAdmin((admin) => admin.listTopics())).not.toContain(topic);
});
