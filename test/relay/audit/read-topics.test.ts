import { expect, test } from 'vitest';
import { extendToHighWatermarks } from '../../../relay/audit/high-watermarks.ts';
import {
  offsetCount,
  type PartitionRange,
  readTopics,
  stableRanges,
  type TopicRecord,
} from '../../../relay/audit/read-topics.ts';
import { createTopic, kafkaClient, withAdmin } from '../../support/kafka.ts';
import { messages, openWriter } from './topics.ts';

async function rangesOf(...topics: string[]): Promise<PartitionRange[]> {
  const stable = await withAdmin((admin) => stableRanges(admin, topics));
  return extendToHighWatermarks(await kafkaClient(), stable, 30_000);
}

type Extra = { stallMs?: number; onRecords?: (records: readonly TopicRecord[]) => void };

async function read(ranges: readonly PartitionRange[], extra: Extra = {}): Promise<string[]> {
  const values: string[] = [];
  await readTopics({
    kafka: await kafkaClient(),
    ranges,
    stallMs: extra.stallMs ?? 30_000,
    onRecords: (records) => {
      values.push(...records.map(({ value }) => String(value)));
      extra.onRecords?.(records);
    },
  });
  return values;
}

test('committed records of several topics and partitions are read once each, whatever aborted ones lie between', async () => {
  const [one, two] = [await createTopic('read', 2), await createTopic('read')];
  await using writer = await openWriter();
  await writer.commit({ topic: one, messages: messages('a', 'b') }, { topic: two, messages: messages('c') });
  await writer.abort({ topic: one, messages: messages('no') });
  await writer.commit({ topic: one, messages: [{ value: 'd', partition: 1 }, ...messages('e')] });
  const ranges = await rangesOf(one, two);
  let passed = 0;
  const values: string[] = [];
  await readTopics({
    kafka: await kafkaClient(),
    ranges,
    stallMs: 30_000,
    onProgress: (offsets) => {
      passed = offsets;
    },
    onRecords: (records) => void values.push(...records.map(({ value }) => String(value))),
  });
  expect(values.sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(passed).toBe(offsetCount(ranges));
});

test('reading ends where a partition ends with aborted records, and where it holds nothing else', async () => {
  const [mixed, aborted, empty] = [
    await createTopic('tail'),
    await createTopic('tail'),
    await createTopic('tail'),
  ];
  await using writer = await openWriter();
  await writer.commit({ topic: mixed, messages: messages('a') });
  for (let times = 0; times < 3; times += 1)
    await writer.abort(
      { topic: mixed, messages: messages('no') },
      { topic: aborted, messages: messages('no') },
    );
  expect(await read(await rangesOf(mixed, aborted, empty))).toEqual(['a']);
});

test('a transaction that is open at the end is waited for, and its records belong to the range', async () => {
  const topic = await createTopic('open');
  await using first = await openWriter();
  await using second = await openWriter();
  await first.commit({ topic, messages: messages('before') });
  const commit = await second.open({ topic, messages: messages('held') });
  const seenBefore = Promise.withResolvers<void>();
  const reading = read(await rangesOf(topic), { onRecords: () => seenBefore.resolve() });
  await seenBefore.promise;
  await commit();
  expect(await reading).toEqual(['before', 'held']);
});

test('records that come after the range was taken are left out', async () => {
  const topic = await createTopic('after');
  await using writer = await openWriter();
  await writer.commit({ topic, messages: messages('in') });
  const ranges = await rangesOf(topic);
  await writer.commit({ topic, messages: messages('out') });
  expect(await read(ranges)).toEqual(['in']);
});

test('a transaction that stays open ends in KAFKA_UNAVAILABLE, naming the partition and the offset', async () => {
  const topic = await createTopic('stuck');
  await using writer = await openWriter();
  const commit = await writer.open({ topic, messages: messages('held') });
  await expect(read(await rangesOf(topic), { stallMs: 500 })).rejects.toMatchObject({
    code: 'KAFKA_UNAVAILABLE',
    message: expect.stringContaining(`${topic} partition 0 does not get past offset 0 of 1`),
  });
  await commit();
});

test('an error of the receiver ends the reading and is thrown, and nothing is handed over again', async () => {
  const topic = await createTopic('error');
  await using writer = await openWriter();
  await writer.commit({ topic, messages: messages('a') });
  let calls = 0;
  const failing = () => {
    calls += 1;
    throw new TypeError('cannot take it');
  };
  await expect(read(await rangesOf(topic), { onRecords: failing })).rejects.toThrow('cannot take it');
  expect(calls).toBe(1);
});

test('following goes on past the end until told to stop', async () => {
  const topic = await createTopic('follow');
  await using writer = await openWriter();
  await writer.commit({ topic, messages: messages('a') });
  const values: string[] = [];
  const seenFirst = Promise.withResolvers<void>();
  const following = readTopics({
    kafka: await kafkaClient(),
    ranges: await rangesOf(topic),
    stallMs: 30_000,
    onRecords: (records) => {
      values.push(...records.map(({ value }) => String(value)));
      seenFirst.resolve();
    },
    follow: { isDone: () => values.includes('b'), signal: new AbortController().signal },
  });
  await seenFirst.promise;
  await writer.commit({ topic, messages: messages('b') });
  await following;
  expect(values).toEqual(['a', 'b']);
});

test('a reader that has to join its group again hands nothing over twice', async () => {
  const topic = await createTopic('rejoin');
  await using first = await openWriter();
  await using second = await openWriter();
  await first.commit({ topic, messages: messages('before') });
  const commit = await second.open({ topic, messages: messages('held') });
  const seenBefore = Promise.withResolvers<void>();
  const reading = read(await rangesOf(topic), { onRecords: () => seenBefore.resolve() });
  await seenBefore.promise;
  const intruder = (await kafkaClient()).consumer({ groupId: await groupReading(topic) });
  const joined = new Promise<void>(
    (resolve) => void intruder.on(intruder.events.GROUP_JOIN, () => resolve()),
  );
  await intruder.connect();
  await intruder.subscribe({ topics: [topic] });
  await Promise.all([joined, intruder.run({ autoCommit: false, eachBatch: async () => {} })]);
  await intruder.disconnect();
  await commit();
  expect(await reading).toEqual(['before', 'held']);
});

/** The group with a member that subscribes to the topic. */
function groupReading(topic: string): Promise<string> {
  return withAdmin(async (admin) => {
    const listed = await admin.listGroups();
    const { groups } = await admin.describeGroups(listed.groups.map(({ groupId }) => groupId));
    const group = groups.find(({ members }) =>
      members.some(({ memberMetadata }) => memberMetadata.includes(topic)),
    );
    return group!.groupId;
  });
}

test('no offset is committed: the cluster knows no group of the reader afterwards that has one', async () => {
  const topic = await createTopic('group');
  await using writer = await openWriter();
  await writer.commit({ topic, messages: messages('a') });
  await read(await rangesOf(topic));
  await withAdmin(async (admin) => {
    const { groups } = await admin.listGroups();
    for (const { groupId } of groups.filter(({ groupId }) => groupId.startsWith('outbox-relay-audit-'))) {
      const offsets = await admin.fetchOffsets({ groupId, topics: [topic] });
      expect(offsets[0]?.partitions.map(({ offset }) => offset)).toEqual(['-1']);
    }
  });
});
