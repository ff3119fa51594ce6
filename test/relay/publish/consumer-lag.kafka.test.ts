import { expect, onTestFinished, test } from 'vitest';
import { readConsumerLag, TopicEnds } from '../../../relay/publish/consumer-lag.ts';
import { commitOffsets, createTopic, kafkaClient, withAdmin } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';

/** A topic of three partitions with 10, 5 and 0 records of committed transactions, and how to look at its groups. */
async function scene() {
  const topic = await createTopic('lag', 3);
  const kafka = await kafkaClient();
  const producer = kafka.producer({
    transactionalId: unique('lag'),
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  const messages = (partition: number, count: number) =>
    Array.from({ length: count }, () => ({ partition, value: 'v' }));
  const begin = async (partition: number, count: number) => {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: messages(partition, count) });
    return transaction;
  };
  for (const [partition, count] of [
    [0, 10],
    [1, 5],
  ] as const)
    await (await begin(partition, count)).commit();
  const commit = (groupId: string, partitions: { partition: number; offset: string }[]) =>
    commitOffsets(groupId, topic, partitions);
  const look = (group: string, topics = (name: string) => name === topic) =>
    withAdmin(async (admin) => (await readConsumerLag(admin, group, topics, new TopicEnds(admin))).lags);
  return { topic, begin, commit, look, group: unique('group') };
}

test('the lag is exact over the partitions in which the group has committed; the others are counted', async () => {
  const { topic, commit, look, group } = await scene();
  await commit(group, [{ partition: 0, offset: '4' }]);
  // 10 records and the marker of their transaction.
  expect(await look(group)).toEqual([{ group, topic, offsets: 11 - 4, uncommittedPartitions: 1 }]);
  await commit(group, [
    { partition: 0, offset: '11' },
    { partition: 1, offset: '0' },
  ]);
  expect(await look(group)).toEqual([{ group, topic, offsets: 6, uncommittedPartitions: 0 }]);
});

test('what an open transaction has written counts once it is over', async () => {
  const { topic, begin, commit, look, group } = await scene();
  await commit(group, [{ partition: 0, offset: '11' }]);
  const open = await begin(0, 3);
  expect(await look(group)).toEqual([{ group, topic, offsets: 0, uncommittedPartitions: 1 }]);
  await open.commit();
  await expect.poll(async () => (await look(group))[0]?.offsets).toBe(4);
});

test('a group that does not exist, and a topic that is not asked for, are absent', async () => {
  const { commit, look, group } = await scene();
  expect(await look(group)).toEqual([]);
  await commit(group, [{ partition: 0, offset: '0' }]);
  expect(await look(group, () => false)).toEqual([]);
});
