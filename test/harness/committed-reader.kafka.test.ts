import { expect, onTestFinished, test } from 'vitest';
import { CommittedReader, type CommittedRecord } from '../../harness/committed-reader.ts';
import { waitFor } from '../../harness/wait.ts';
import { createTopic, kafkaClient } from '../support/kafka.ts';
import { servers } from '../support/servers.ts';
import { unique } from '../support/unique.ts';

test('hands over committed records in order, each with its producer and its transaction', async () => {
  const kafka = await kafkaClient();
  const topic = await createTopic('committed');
  const producer = kafka.producer({
    transactionalId: unique('committed'),
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  const write = async (end: 'commit' | 'abort', ...values: string[]) => {
    const transaction = await producer.transaction();
    await transaction.send({
      topic,
      messages: values.map((value) => ({ key: 'k', value, headers: { id: value } })),
    });
    await transaction[end]();
  };
  await write('commit', 'a', 'b');
  await write('abort', 'never');
  const records: CommittedRecord[] = [];
  const reader = new CommittedReader((await servers()).brokers, [topic], (record) => records.push(record));
  reader.start();
  onTestFinished(() => reader.stop());
  await waitFor(() => records.length === 2, 'what is there', 30_000);
  await write('commit', 'c');
  await waitFor(() => records.length === 3, 'what comes later', 30_000);
  expect(records.map(({ value, headers }) => [String(value), headers.id])).toEqual([
    ['a', 'a'],
    ['b', 'b'],
    ['c', 'c'],
  ]);
  const [a, b, c] = records;
  expect(a!.transaction).toBe(b!.transaction);
  expect(c!.transaction).not.toBe(a!.transaction);
  expect(c!.producer).toBe(a!.producer);
});
