import { expect, test, vi } from 'vitest';
import { Wire } from '../../../../relay/publish/wire/kafkajs-wire.ts';
import { createTopic, kafkaClient, withAdmin } from '../../../support/kafka.ts';

test('a partition that does not exist has no leader, rather than being passed over', async () => {
  const topic = await createTopic('wire', 1);
  const wire = await Wire.open(await kafkaClient(), [topic]);
  try {
    await expect(wire.leader(topic, 1)).rejects.toMatchObject({ type: 'UNKNOWN_TOPIC_OR_PARTITION' });
  } finally {
    await wire.close();
  }
});

test('a topic that was deleted keeps the leaders of no other from being found', async () => {
  const [own, gone, next] = [await createTopic('own'), await createTopic('gone'), await createTopic('next')];
  const wire = await Wire.open(await kafkaClient(), [own]);
  try {
    const leader = await wire.leader(gone, 0);
    await withAdmin((admin) => admin.deleteTopics({ topics: [gone] }));
    await vi.waitFor(
      async () => {
        wire.forgetLeader({ topic: gone, partition: 0 });
        await expect(wire.leader(gone, 0)).rejects.toMatchObject({ type: 'UNKNOWN_TOPIC_OR_PARTITION' });
      },
      { timeout: 30_000 },
    );
    expect(await wire.leader(next, 0)).toBe(leader);
  } finally {
    await wire.close();
  }
});
