import { expect, test } from 'vitest';
import { Wire } from '../../../../relay/publish/wire/kafkajs-wire.ts';
import { createTopic, kafkaClient } from '../../../support/kafka.ts';

test('a partition that does not exist has no leader, rather than being passed over', async () => {
  const topic = await createTopic('wire', 1);
  const wire = await Wire.open(await kafkaClient(), [topic]);
  try {
    await expect(wire.leader(topic, 1)).rejects.toMatchObject({ type: 'UNKNOWN_TOPIC_OR_PARTITION' });
  } finally {
    await wire.close();
  }
});
