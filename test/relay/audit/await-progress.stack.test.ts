import { expect, test, vi } from 'vitest';
import { awaitProgress, findProducers } from '../../../relay/audit/await-progress.ts';
import { stableRanges } from '../../../relay/audit/read-topics.ts';
import { readTopicSettings } from '../../../relay/audit/topic-settings.ts';
import { createTopics, kafkaClient, withAdmin } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';
import { openScene } from './scene.ts';
import { messages, openWriter } from './topics.ts';

test('a transaction that a relay left open does not keep the progress before it from being read', async () => {
  await using scene = await openScene();
  const {
    slot: { name: slot },
    kafka,
  } = scene.config;
  await scene.writer.commit(await scene.progress());
  await using writer = await openWriter();
  const commit = await writer.open({ topic: kafka.progressTopic, messages: messages('open') });
  const progress = await withAdmin(async (admin) =>
    awaitProgress({
      kafka: await kafkaClient(),
      admin,
      topic: kafka.progressTopic,
      slot,
      systemIdentifier: 'any',
      reach: BigInt(Number.MAX_SAFE_INTEGER) << 10n,
      waitMs: 0,
      stallMs: 500,
    }),
  );
  expect(progress).toMatchObject({ slot });
  await commit();
});

test('a progress topic of others that somebody deletes ends neither the look at the next ones nor the audit', async () => {
  await using scene = await openScene();
  await using writer = await openWriter();
  const { slot, kafka: own } = scene.config;
  await scene.writer.commit(await scene.progress());
  // In the order in which they are read.
  const others = ['a', 'b', 'c'].map((letter) => `outbox-relay.progress.${unique(`other_${letter}`)}`);
  const [, listed, last] = others as [string, string, string];
  await createTopics(others.map((topic) => ({ topic, numPartitions: 1 })));
  const remove = (topic: string) =>
    withAdmin(async (admin) => {
      await admin.deleteTopics({ topics: [topic] });
      await vi.waitFor(async () => expect(await admin.listTopics()).not.toContain(topic), {
        timeout: 30_000,
      });
    });
  const kafka = await kafkaClient();
  await withAdmin(async (admin) => {
    const listTopics = async () => {
      const found = await admin.listTopics();
      if (found.includes(listed)) await remove(listed);
      return found;
    };
    const found: string[] = [];
    await writer.commit({ topic: last, messages: [{ key: 'another_slot', value: '{}' }] });
    const place = { kafka, admin: { ...admin, listTopics }, topic: own.progressTopic, slot: slot.name };
    const siblings = new Set(['another_slot']);
    const all = { ...place, siblings, systemIdentifier: 'any', stallMs: 10_000 };
    await findProducers(all, (_, owner) => found.push(owner));
    expect(await admin.listTopics()).not.toContain(listed);
    expect(found).toContain('this database');
    for (const topic of [others[0]!, last]) await remove(topic);
    // With the same client.
    const settings = await readTopicSettings(admin, [scene.topic], ['cleanup.policy']);
    expect(settings?.get(scene.topic)?.get('cleanup.policy')).toBe('delete');
    expect(await stableRanges(admin, [own.progressTopic])).toHaveLength(1);
  });
});
