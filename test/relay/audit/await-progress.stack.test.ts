import { expect, test } from 'vitest';
import { awaitProgress } from '../../../relay/audit/await-progress.ts';
import { kafkaClient, withAdmin } from '../../support/kafka.ts';
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
