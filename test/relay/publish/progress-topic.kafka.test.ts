import { ConfigResourceTypes } from 'kafkajs';
import { describe, expect, test, vi } from 'vitest';
import { TcpProxy } from '../../../harness/tcp-proxy.ts';
import { serializeProgress } from '../../../relay/model/progress.ts';
import { ProgressTail } from '../../../relay/publish/progress-topic.ts';
import { createProgressTopic, removeRecords, withAdmin } from '../../support/kafka.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { Scene } from './lean/scene.ts';

test('the progress topic is compacted, and uncompressed whatever the default of the brokers', async () => {
  const topic = unique('progress');
  await createProgressTopic(topic);
  const { resources } = await withAdmin((admin) =>
    admin.describeConfigs({
      includeSynonyms: false,
      resources: [
        {
          type: ConfigResourceTypes.TOPIC,
          name: topic,
          configNames: ['cleanup.policy', 'compression.type'],
        },
      ],
    }),
  );
  const settings = resources[0]!.configEntries.map(({ configName, configValue }) => [
    configName,
    configValue,
  ]);
  expect(Object.fromEntries(settings)).toEqual({
    'cleanup.policy': 'compact',
    'compression.type': 'uncompressed',
  });
});

describe('a tail', () => {
  test('starts over if the topic begins after the offset that it has read', async () => {
    await using scene = await Scene.open();
    const publisher = await scene.publisher();
    await publisher.claim(scene.tail);
    await scene.publish(publisher, [{}]);
    const { progressTopic } = scene.config.kafka;
    await withAdmin(async (admin) => {
      // Records of a compacted topic cannot be deleted.
      const configEntries = [{ name: 'cleanup.policy', value: 'delete' }];
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: progressTopic, configEntries }],
      });
    });
    await removeRecords(progressTopic);
    // A progress that is no longer in the topic does not count, even if this tail has read it.
    expect(await (await scene.publisher()).claim(scene.tail)).toBeNull();
    await (await scene.publisher()).claim(scene.tail);
    expect(scene.tail.claims.map(({ found }) => found)).toEqual([undefined, undefined]);
  });

  test('knows what each claim found, as far as nothing before it may be missing', async () => {
    await using scene = await Scene.open();
    const first = await scene.publisher();
    await first.claim(scene.tail);
    await (await scene.publisher()).claim(scene.tail);
    const third = await scene.publisher();
    await third.claim(scene.tail);
    await scene.publish(third, [{}]);
    await (await scene.publisher()).claim(scene.tail);
    const { claims } = scene.tail;
    expect(claims.map(({ producerEpoch }) => producerEpoch)).toEqual([0, 1, 2, 3]);
    expect(claims.slice(0, 3).map(({ found }) => found)).toEqual([undefined, null, null]);
    expect(claims[3]).toEqual({
      producerId: claims[0]!.producerId,
      producerEpoch: 3,
      found: {
        producerId: claims[0]!.producerId,
        producerEpoch: 2,
        text: serializeProgress(scene.progress(1)),
      },
    });
  });

  test('ends once the topic is deleted, and rejects pending claims', async () => {
    await using scene = await Scene.open();
    const claim = scene.tail.untilClaim('never written', 30_000);
    claim.catch(() => {}); // it may fail before the deletion returns
    await withAdmin((admin) => admin.deleteTopics({ topics: [scene.config.kafka.progressTopic] }));
    await expect(claim).rejects.toMatchObject({
      code: 'KAFKA_UNAVAILABLE',
      message: expect.stringMatching(/does not host this topic/),
    });
    expect(scene.tail.crashed?.code).toBe('KAFKA_UNAVAILABLE');
  });

  test.each(['request', 'answer', 'silence'] as const)(
    'continues over a new connection, reports it once and misses nothing if a fetch meets the fault: %s',
    async (fault) => {
      const { brokers } = await servers();
      await using proxy = await TcpProxy.before(`kafka://${brokers[0]}`, true);
      await using scene = await Scene.open({ proxy });
      const {
        slot: { name: slot },
        kafka,
      } = scene.config;
      const told: (string | undefined)[] = [];
      const tail = new ProgressTail(scene.client(), {
        topic: kafka.progressTopic,
        slot,
        onTrouble: (failure) => told.push(failure?.code),
      });
      const failed = proxy.failNext('Fetch', fault);
      await tail.start();
      try {
        // A broker under load may not yet lead a topic that it has just created.
        await vi.waitFor(async () => scene.publish(await scene.publisher(), [{}, {}]), { timeout: 30_000 });
        await failed;
        expect((await (await scene.publisher()).claim(tail))?.eventCount).toBe(2);
        // Alternating: a long failure is not reported at each attempt.
        expect(told.length).toBeGreaterThan(0);
        expect(told).toEqual(told.map((_, n) => (n % 2 === 0 ? 'KAFKA_UNAVAILABLE' : undefined)));
        await vi.waitFor(() => expect(told.at(-1)).toBeUndefined(), { timeout: 30_000 });
      } finally {
        await tail.stop();
      }
    },
  );
});
