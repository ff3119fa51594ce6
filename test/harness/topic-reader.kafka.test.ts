import { expect, onTestFinished, test } from 'vitest';
import { TopicReader } from '../../harness/topic-reader.ts';
import { createTopic, kafkaClient, settledEnds } from '../support/kafka.ts';
import { unique } from '../support/unique.ts';

test('hands over what is committed, each record once, up to the end that the topic has', async () => {
  const kafka = await kafkaClient();
  const topic = await createTopic('reader', 2);
  const producer = kafka.producer({
    transactionalId: unique('reader'),
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  for (const [name, end] of [
    ['first', 'commit'],
    ['never', 'abort'],
    ['second', 'commit'],
  ] as const) {
    const transaction = await producer.transaction();
    const messages = [0, 1].map((partition) => ({ partition, value: `${name} ${partition}` }));
    await transaction.send({ topic, messages });
    await transaction[end]();
  }
  const values: string[] = [];
  const reader = new TopicReader({
    kafka,
    topics: [topic],
    onRecord: (_, __, { value }) => void values.push(`${value}`),
  });
  await reader.start();
  onTestFinished(() => reader.stop());
  await reader.readTo(await settledEnds(topic), 30_000);
  expect(values.toSorted()).toEqual(['first 0', 'first 1', 'second 0', 'second 1']);
});
