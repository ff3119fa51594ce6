import type { Admin } from 'kafkajs';
import { describe, expect, test, vi } from 'vitest';
import type { Settings } from '../../../harness/relay-process.ts';
import type { TopicInfo } from '../../../relay/encode/record.ts';
import { Topics } from '../../../relay/publish/topics.ts';
import { protocolError } from '../../../relay/publish/wire/kafkajs-internals.ts';
import { createTopic, createTopics, kafkaClient, withAdmin } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';
import { configOf } from '../settings.ts';

/** The topics of the shared cluster; `heard` changes what a single broker answers first. */
async function resolve(
  topic: string,
  settings: Settings = {},
  heard: (admin: Admin) => Admin = (own) => own,
) {
  const kafka = await kafkaClient();
  return withAdmin((admin) => new Topics(kafka, heard(admin), configOf(settings)).resolve(topic));
}

/** The broker does not know yet that a topic exists. */
const lagging = (admin: Admin): Admin =>
  Object.assign(Object.create(admin) as Admin, {
    fetchTopicMetadata: () => Promise.reject(protocolError(3)),
  });

describe('a topic that exists', () => {
  test('has its number of partitions and the default size', async () => {
    expect(await resolve(await createTopic('three', 3))).toEqual({
      partitions: 3,
      maxMessageBytes: 1_048_588,
      keptMs: 604_800_000,
    });
  });

  test.each<[Record<string, string>, Partial<TopicInfo>]>([
    [{ 'max.message.bytes': '54321' }, { maxMessageBytes: 54_321 }],
    [{ 'segment.bytes': String(1024 * 1024) }, { maxMessageBytes: 1024 * 1024 }],
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

  test('has its current number of partitions', async () => {
    const topic = await createTopic('growing', 1);
    const kafka = await kafkaClient();
    await withAdmin(async (admin) => {
      const topics = new Topics(kafka, admin, configOf());
      expect(await topics.resolve(topic)).toMatchObject({ partitions: 1 });
      await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
      // A broker learns of it from the controller, after the controller has answered.
      await expect.poll(() => topics.resolve(topic)).toMatchObject({ partitions: 4 });
    });
  });
});

describe('a topic that does not exist', () => {
  test('is created according to the settings', async () => {
    const topic = unique('created');
    expect(await resolve(topic, { TOPICS_PARTITIONS: 5 })).toMatchObject({ partitions: 5 });
  });

  test('may be created by several relays at once', async () => {
    const topic = unique('created');
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => resolve(topic, { TOPICS_PARTITIONS: 2 })));
    // One that is told that it exists may ask a broker that does not know it yet. That passes, and the relay tries again.
    for (const outcome of outcomes)
      if (outcome.status === 'fulfilled') expect(outcome.value).toMatchObject({ partitions: 2 });
      else expect(outcome.reason).toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    await expect
      .poll(() => resolve(topic, { TOPICS_PARTITIONS: 2 }).catch(() => null))
      .toMatchObject({ partitions: 2 });
  });

  test('is reported as missing, and not created, if topics.create is off', async () => {
    const topic = unique('absent');
    expect(await resolve(topic, { TOPICS_CREATE: false })).toMatchObject({ code: 'TOPIC_MISSING' });
    expect(await withAdmin((admin) => admin.listTopics())).not.toContain(topic);
  });

  test.each([{ TOPICS_CREATE: false }, { TOPICS_CREATE: true }])(
    'is not reported as missing because one broker does not know it: %j',
    async (settings) => {
      const topic = await createTopic('unheard');
      await expect(resolve(topic, settings, lagging)).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    },
  );

  test('is not reported as missing after the relay created it, even if its broker does not know it yet', async () => {
    const topic = unique('created');
    await expect(resolve(topic, {}, lagging)).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    expect(await resolve(topic)).toHaveProperty('partitions');
  });

  test('is created only so often per minute, and only up to a maximum number of topics', async () => {
    const prefix = unique('many');
    const settings = { TOPICS_ALLOW: `${prefix}*`, TOPICS_CREATE_MAX: 3, TOPICS_CREATE_PER_MINUTE: 2 };
    const kafka = await kafkaClient();
    await withAdmin(async (admin) => {
      const topics = new Topics(kafka, admin, configOf(settings));
      for (const n of [1, 2]) expect(await topics.resolve(prefix + n)).toHaveProperty('partitions');
      await expect(topics.resolve(`${prefix}3`)).rejects.toMatchObject({ code: 'TOPIC_CREATION_PACED' });
      vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 61_000);
      expect(await topics.resolve(`${prefix}3`)).toHaveProperty('partitions');
      expect(await topics.resolve(`${prefix}4`)).toMatchObject({
        code: 'TOPIC_MISSING',
        message: expect.stringContaining('topics.createMax'),
      });
      expect(await topics.resolve(`${prefix}1`)).toHaveProperty('partitions');
      vi.restoreAllMocks();
    });
  });
});

test('a connection without answers is closed', async () => {
  const kafka = await kafkaClient();
  await withAdmin(async (admin) => {
    const ended = vi.fn();
    admin.on(admin.events.DISCONNECT, ended);
    const silent = Object.assign(Object.create(admin) as Admin, {
      fetchTopicMetadata: () => Promise.reject(new Error('Request Metadata timed out')),
    });
    const asked = new Topics(kafka, silent, configOf()).resolve('any');
    await expect(asked).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
    expect(ended).toHaveBeenCalledTimes(1);
  });
});

describe('a refusal of a topic name by the cluster', () => {
  /** More replicas than the one broker can hold: always refused. */
  const unmakeable = (allow: string) => ({ TOPICS_ALLOW: allow, TOPICS_REPLICATION_FACTOR: 3 });

  test('concerns that name only, as long as others work', async () => {
    const prefix = unique('replicated');
    await createTopics([{ topic: `${prefix}-there` }]);
    expect(await resolve(`${prefix}-new`, unmakeable(`${prefix}*`))).toMatchObject({
      code: 'TOPIC_REFUSED',
      cause: expect.objectContaining({ code: 'KAFKA_UNAVAILABLE' }),
    });
  });

  test('is not assumed if a broker is down or a quota delays the creation', async () => {
    const prefix = unique('degraded');
    await createTopics([{ topic: `${prefix}-there` }]);
    const waiting = { code: 'KAFKA_UNAVAILABLE' };
    const outcome = (replicas: number[]) =>
      resolve(`${prefix}-new`, unmakeable(`${prefix}*`), (admin) =>
        Object.assign(Object.create(admin) as Admin, {
          fetchTopicMetadata: async (asked: { topics: string[] }) => {
            const { topics } = await admin.fetchTopicMetadata(asked);
            const partitions = (own: (typeof topics)[0]) =>
              own.partitions.map((each) => ({ ...each, replicas }));
            return { topics: topics.map((own) => ({ ...own, partitions: partitions(own) })) };
          },
        }),
      );
    await expect(outcome([1, 2, 3])).rejects.toMatchObject(waiting);
    // Even with all of its brokers the cluster would not have as many.
    expect(await outcome([1, 2])).toMatchObject({ code: 'TOPIC_REFUSED' });

    const throttled = (admin: Admin): Admin =>
      Object.assign(Object.create(admin) as Admin, { createTopics: () => Promise.reject(protocolError(89)) });
    const asked = resolve(`${prefix}-new`, { TOPICS_ALLOW: `${prefix}*` }, throttled);
    await expect(asked).rejects.toMatchObject(waiting);
  });

  test('stops everything if no other topic works', async () => {
    const topic = unique('alone');
    await expect(resolve(topic, unmakeable(topic))).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
  });
});
