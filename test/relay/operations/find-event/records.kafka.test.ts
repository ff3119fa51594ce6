import { expect, test } from 'vitest';
import { unknownPublishers } from '../../../../relay/operations/find-event/publishers.ts';
import { findRecords } from '../../../../relay/operations/find-event/records.ts';
import { createTopic, kafkaClient, withAdmin } from '../../../support/kafka.ts';

test('a time that is far too early leaves room to look at the right one', async () => {
  const topic = await createTopic('found', 1);
  const kafka = await kafkaClient();
  const producer = kafka.producer();
  await producer.connect();
  const kib = Buffer.alloc(1_024, 'x');
  const position = '0000000000000010.00000000';
  const hourAgoMs = Date.now() - 3_600_000;
  const send = (timestampMs: number, ids: readonly string[]) =>
    producer.send({
      topic,
      messages: ids.map((id) => ({ timestamp: String(timestampMs), headers: { id, position }, value: kib })),
    });
  // More than one fetch brings.
  for (let batch = 0; batch < 16; batch++)
    await send(
      hourAgoMs,
      Array.from({ length: 512 }, (_, n) => `${batch}-${n}`),
    );
  await send(Date.now(), ['sought']);
  await producer.disconnect();
  const sought = { id: 'sought', position: null, topic, key: null };
  const found = await withAdmin((admin) =>
    findRecords({
      kafka,
      admin,
      sought: [
        { ...sought, fromMs: Date.now() - 60_000 },
        { ...sought, fromMs: hourAgoMs },
      ],
      typeHeader: undefined,
      publishers: async () => unknownPublishers,
      routesElsewhere: () => false,
      limits: { records: 100_000, bytes: 4 * 1024 * 1024, ms: 20_000 },
      signal: undefined,
      onProgress: () => {},
    }),
  );
  expect(found.looked.map(({ stoppedBy }) => stoppedBy)).toEqual(['limit', 'found']);
  expect(found.records.map(({ id }) => id)).toEqual(['sought']);
});
