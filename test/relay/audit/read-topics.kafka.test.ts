import { expect, test } from 'vitest';
import { extendToHighWatermarks } from '../../../relay/audit/high-watermarks.ts';
import {
  offsetCount,
  type PartitionRange,
  readTopics,
  stableRanges,
  type TopicRecord,
} from '../../../relay/audit/read-topics.ts';
import { createTopic, kafkaClient, removeRecords, withAdmin } from '../../support/kafka.ts';
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
    onDone: (offsets) => {
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

test('the reader waits for a transaction that is open at the end, and its records belong to the range', async () => {
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
    message: expect.stringContaining(`${topic} partition 0 is stuck at offset 0 of 1`),
  });
  await commit();
});

test('an error of the receiver ends the reading and is thrown, and no record is passed on again', async () => {
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

test('following continues past the end until it is stopped', async () => {
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

test('the reader is in no consumer group, which would be left behind', async () => {
  const topic = await createTopic('group');
  await using writer = await openWriter();
  await writer.commit({ topic, messages: messages('a') });
  let groups: string[] | undefined;
  await readTopics({
    kafka: await kafkaClient(),
    ranges: await rangesOf(topic),
    stallMs: 30_000,
    onRecords: async () => {
      groups = await groupsReading(topic);
    },
  });
  expect(groups).toEqual([]);
});

/** Those with a member that subscribes to the topic. */
function groupsReading(topic: string): Promise<string[]> {
  return withAdmin(async (admin) => {
    const listed = await admin.listGroups();
    const { groups } = await admin.describeGroups(listed.groups.map(({ groupId }) => groupId));
    return groups
      .filter(({ members }) => members.some(({ memberMetadata }) => memberMetadata.includes(topic)))
      .map(({ groupId }) => groupId);
  });
}

test('what Kafka removes during the reading is reported, and the rest is read', async () => {
  const topic = await createTopic('trimmed');
  await using writer = await openWriter();
  for (const value of ['a', 'b', 'c']) await writer.commit({ topic, messages: messages(value) });
  const ranges = await rangesOf(topic);
  await removeRecords(topic, { before: '4' });
  const values: string[] = [];
  const trimmed: string[] = [];
  await readTopics({
    kafka: await kafkaClient(),
    ranges,
    stallMs: 30_000,
    onRecords: (records) => void values.push(...records.map(({ value }) => String(value))),
    onTrimmed: (name, partition) => void trimmed.push(`${name}/${partition}`),
  });
  expect({ values, trimmed }).toEqual({ values: ['c'], trimmed: [`${topic}/0`] });
});

test('a topic that is recreated and shorter during the reading is an error, and not the end', async () => {
  const topic = await createTopic('again');
  await using writer = await openWriter();
  await writer.commit({ topic, messages: messages('a', 'b') });
  const [range] = await rangesOf(topic);
  await expect(read([{ ...range!, low: range!.end + 7n, end: range!.end + 9n }])).rejects.toMatchObject({
    code: 'KAFKA_UNSUITABLE',
    message: expect.stringContaining('became shorter'),
  });
});
