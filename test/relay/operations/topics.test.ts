/** What is known of a topic: never 0 for what Kafka does not say. */
import { expect, test } from 'vitest';
import { seen } from '../../../relay/operations/topics.ts';

const partition = (partitionId: number) => ({
  partitionId,
  leader: 1,
  replicas: [1],
  isr: [1],
  partitionErrorCode: 0,
});
const topic = { name: 'orders', partitions: [2, 0, 1].map(partition) };

test('its size is that of all partitions, and not known where one of them is not', () => {
  const sizes = new Map([
    [0, 10],
    [1, 0],
    [2, 30],
  ]);
  expect(seen(topic, undefined, sizes)).toMatchObject({ bytes: 40, partitionBytes: [10, 0, 30] });
  sizes.delete(1);
  expect(seen(topic, undefined, sizes)).toMatchObject({ bytes: null, partitionBytes: [10, null, 30] });
  expect(seen(topic, undefined)).toMatchObject({ bytes: null, partitionBytes: [null, null, null] });
});
