import { describe, expect, test } from 'vitest';
import type { TopicInfo } from '../../../relay/encode/record.ts';
import { Topics } from '../../../relay/publish/topics.ts';
import { createTopic, createTopics, withAdmin } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';
import { configOf, type Settings } from '../settings.ts';

const resolve = (topic: string, settings: Settings = {}) =>
  withAdmin((admin) => new Topics(admin, configOf(settings).topics).resolve(topic));

describe('a topic that exists', () => {
  test('has its partitions and the default size', async () => {
    expect(await resolve(await createTopic('three', 3))).toEqual({
      partitions: 3,
      maxMessageBytes: 1_048_588,
      keptMs: 604_800_000,
    });
  });

  test.each<[Record<string, string>, Partial<TopicInfo>]>([
    [{ 'max.message.bytes': '54321' }, { maxMessageBytes: 54_321 }],
    [{ 'retention.ms': '3600000' }, { keptMs: 3_600_000 }],
    [{ 'retention.ms': '-1' }, { keptMs: 2 ** 63 }],
    [{ 'retention.ms': '3600000', 'cleanup.policy': 'compact' }, { keptMs: 2 ** 63 }],
    [{ 'retention.ms': '3600000', 'cleanup.policy': 'compact,delete' }, { keptMs: 3_600_000 }],
    [{ 'message.timestamp.before.max.ms': '60000' }, { keptMs: 60_000 }],
    [
      { 'retention.ms': '60000', 'message.timestamp.type': 'LogAppendTime' },
      { keptMs: Number.POSITIVE_INFINITY },
    ],
  ])('has its own settings where it has some: %j', async (settings, expected) => {
    const topic = unique('settled');
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
    await createTopics([{ topic, numPartitions: 1, configEntries }]);
    expect(await resolve(topic)).toMatchObject({ partitions: 1, ...expected });
  });

  test('has the partitions of the moment', async () => {
    const topic = await createTopic('growing', 1);
    await withAdmin(async (admin) => {
      const topics = new Topics(admin, configOf().topics);
      expect((await topics.resolve(topic))?.partitions).toBe(1);
      await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
      expect((await topics.resolve(topic))?.partitions).toBe(4);
    });
  });
});

describe('a topic that does not exist', () => {
  test('is created as the settings say', async () => {
    const topic = unique('created');
    expect((await resolve(topic, { TOPICS_PARTITIONS: 5 }))?.partitions).toBe(5);
  });

  test('is created by several at once without harm', async () => {
    const topic = unique('created');
    const all = await Promise.all([1, 2, 3].map(() => resolve(topic, { TOPICS_PARTITIONS: 2 })));
    expect(all.map((info) => info?.partitions)).toEqual([2, 2, 2]);
  });

  test('is undefined, and stays away, where creating is off', async () => {
    const topic = unique('absent');
    expect(await resolve(topic, { TOPICS_CREATE: false })).toBeUndefined();
    expect(await withAdmin((admin) => admin.listTopics())).not.toContain(topic);
  });
});
