/**
 * A relay that compresses, and a cluster whose brokers compress what they store again, with every codec there is: the
 * relay streams, and is audited.
 */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { itemSchema } from '../../../harness/item-schema.ts';
import { startKafka } from '../../../stack/kafka.ts';
import { createTopics } from '../../support/kafka.ts';
import { registerSchema } from '../../support/registry.ts';
import { World } from '../world.ts';

const codecs = ['gzip', 'snappy', 'lz4', 'zstd', 'uncompressed', 'producer'];

it('a relay streams, verify and recover read what they need, and check says what clients cannot read', {
  timeout: 300_000,
}, async () => {
  await using kafka = await startKafka({ quickStart: true, settings: { 'compression.type': 'zstd' } });
  await using world = await World.create(1, { brokers: kafka.brokers });
  const names = codecs.map((codec) => `${world.topic}.${codec}`);
  await createTopics(
    codecs.map((codec, index) => ({
      topic: names[index]!,
      numPartitions: 2,
      configEntries: [{ name: 'compression.type', value: codec }],
    })),
    kafka.brokers,
  );
  for (const name of names) await registerSchema(`${name}-test.ItemMoved`, itemSchema);
  const env = {
    OUTBOX_RELAY_TOPICS_TEMPLATE: `${world.topic}.{aggregatetype}`,
    OUTBOX_RELAY_TOPICS_ALLOW: `${world.topic}.*`,
    OUTBOX_RELAY_PUBLISH_COMPRESSION: 'lz4',
  };
  const notes = ['', randomBytes(50_000).toString('hex'), 'again and again '.repeat(20_000)];
  const write = async () => {
    for (const codec of codecs)
      for (const [seq, note] of notes.entries())
        await world.pool.query(
          `insert into outbox.event (aggregatetype, aggregateid, type, payload)
           values ($1, $2, 'test.ItemMoved', $3)`,
          [codec, `key-${seq}`, { key: `key-${seq}`, seq, note }],
        );
  };
  const verified = async (waitSeconds: number) => {
    const wait = ['--wait-seconds', String(waitSeconds)];
    const { code, stdout, stderr } = await world.commandWith(env, 'verify', '--json', ...wait);
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };

  // The progress topic of somebody who had it made with the broker's default.
  await createTopics(
    [
      {
        topic: world.progressTopic,
        numPartitions: 1,
        configEntries: [{ name: 'cleanup.policy', value: 'compact' }],
      },
    ],
    kafka.brokers,
  );
  const relay = world.startRelay({}, env);
  await relay.streaming();
  await write();
  expect(await verified(30)).toMatchObject({
    ok: true,
    isCovered: true,
    records: codecs.length * notes.length,
  });
  relay.signal('SIGTERM');
  await relay.exited;

  await write();
  await world.pool.query('select pg_drop_replication_slot($1)', [world.slot]);
  const recovered = await world.commandWith(env, 'recover', '--json', '--by-writing-order');
  expect(recovered.code, recovered.stderr).toBe(0);
  expect(JSON.parse(recovered.stdout)).toMatchObject({ published: codecs.length * notes.length });
  // No relay runs that would take the progress further.
  expect(await verified(0)).toMatchObject({ ok: true, records: 2 * codecs.length * notes.length });

  const { stdout } = await world.commandWith(env, 'check');
  const line = stdout.split('\n').find((each) => each.includes('compression:'));
  expect(line).toMatch(
    /publish\.compression is lz4; brokers store gzip: \S+\.gzip; snappy: \S+\.snappy; uncompressed: \S+; zstd: /,
  );
  expect(line).toContain(world.progressTopic);
  expect(line).toContain(
    'consumers that use kafkajs, kafka-python or aiokafka need a package for each codec but gzip',
  );
});
