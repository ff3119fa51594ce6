/** A broker leaves topics out of its listings that a client may not see: that is no absence. */
import { AclOperationTypes, AclPermissionTypes } from 'kafkajs';
import pino from 'pino';
import { expect, test } from 'vitest';
import { findRetention } from '../../../relay/audit/retention.ts';
import type { Config } from '../../../relay/config/schema.ts';
import { recover } from '../../../relay/recover/recover.ts';
import { startKafka } from '../../../stack/kafka.ts';
import { withAdmin } from '../../support/kafka.ts';
import { obeyingRules, ruleOf } from '../../support/kafka-rules.ts';
import { openScene, told } from './scene.ts';

/** Looks at what a recovery would do. */
const shown = (config: Config) =>
  recover({
    config,
    log: pino({ level: 'silent' }),
    isDryRun: true,
    isForced: true,
    acceptsRewound: true,
    acceptsWritingOrder: true,
    skipsUnreadable: false,
    unjudged: 'publish',
    onStage: () => {},
  });

test('a topic that may not be seen or read is an error, for the audit, for a recovery and for what they say of the events in it', {
  timeout: 300_000,
}, async () => {
  await using kafka = await startKafka({ quickStart: true, settings: obeyingRules });
  await using scene = await openScene({ brokers: kafka.brokers });
  const [id] = await scene.insert();
  await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
  expect(told(await scene.audit())).toEqual({});

  expect(await shown(scene.config)).toMatchObject({ missing: { count: 0 }, records: 1 });

  const { progressTopic } = scene.config.kafka;
  for (const [topic, operation] of [
    [scene.topic, AclOperationTypes.DESCRIBE],
    [scene.topic, AclOperationTypes.READ],
    [progressTopic, AclOperationTypes.DESCRIBE],
  ] as const) {
    const rule = ruleOf(topic, operation);
    await withAdmin(
      (admin) => admin.createAcls({ acl: [{ ...rule, permissionType: AclPermissionTypes.DENY }] }),
      kafka.brokers,
    );
    // A broker learns of a rule a moment after it was made.
    await expect
      .poll(() => scene.audit().catch((error: unknown) => error), { interval: 100 })
      .toMatchObject({ code: 'KAFKA_UNAUTHORIZED', message: expect.stringContaining('authorized') });
    await expect(shown(scene.config)).rejects.toMatchObject({ code: 'KAFKA_UNAUTHORIZED' });
    await withAdmin(
      (admin) =>
        admin.deleteAcls({
          filters: [{ ...rule, permissionType: AclPermissionTypes.DENY }],
        }),
      kafka.brokers,
    );
    // The other way round: nothing of the rule is left for the next.
    await expect.poll(() => scene.audit().then(told).catch(String), { interval: 100 }).toEqual({});
  }

  const closed = 'settings-may-not-be-read';
  await withAdmin(async (admin) => {
    await admin.createTopics({ topics: [{ topic: closed, numPartitions: 1 }], waitForLeaders: true });
    const rule = ruleOf(closed, AclOperationTypes.DESCRIBE_CONFIGS);
    await admin.createAcls({ acl: [{ ...rule, permissionType: AclPermissionTypes.DENY }] });
    const read = async () => {
      const retentionOf = await findRetention(admin, [scene.topic, closed]);
      return [retentionOf(scene.topic), retentionOf(closed)];
    };
    // What is known of the others is not lost with it.
    await expect
      .poll(read, { interval: 100 })
      .toEqual([{ expiredMs: expect.any(Number), isAlsoBySize: false }, undefined]);
  }, kafka.brokers);
});
