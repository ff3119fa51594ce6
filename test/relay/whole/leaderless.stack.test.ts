/**
 * A cluster belongs to many teams. Where a broker is away, a topic of somebody else that it alone has is without a leader,
 * for as long as that lasts. None of the relay's questions to the cluster may depend on it.
 */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { itemSchema } from '../../../harness/item-schema.ts';
import { settingsEnv } from '../../../harness/relay-process.ts';
import { kafkaErrorType } from '../../../relay/connect/kafka.ts';
import { type Kafka, startKafka } from '../../../stack/kafka.ts';
import { createTopics, withAdmin } from '../../support/kafka.ts';
import { registerSchema } from '../../support/registry.ts';
import { unique } from '../../support/unique.ts';
import { untilCovered } from '../replay/world.ts';
import { World } from '../world.ts';

const minutes = 60_000;
const away = 3;

let kafka: Kafka;
let world: World;
beforeAll(async () => {
  // Two brokers hold whatever a relay creates.
  const replicas = (...names: string[]) =>
    Object.fromEntries(names.map((name) => [`${name}.replication.factor`, 2]));
  kafka = await startKafka({
    brokers: 3,
    quickStart: true,
    settings: {
      ...replicas('default', 'offsets.topic', 'transaction.state.log'),
      'min.insync.replicas': 1,
      'transaction.state.log.min.isr': 1,
    },
  });
  world = await World.create(1, { brokers: kafka.brokers });
  const topic = unique('theirs');
  await createTopics([{ topic, replicaAssignment: [{ partition: 0, replicas: [away] }] }], kafka.brokers);
  kafka.nodes[away - 1]!.kill('SIGKILL');
  const typeOf = () =>
    withAdmin((admin) => admin.fetchTopicMetadata({ topics: [topic] }), kafka.brokers).then(
      () => undefined,
      kafkaErrorType,
    );
  await vi.waitFor(async () => expect(await typeOf()).toBe('LEADER_NOT_AVAILABLE'), {
    timeout: minutes,
    interval: 100,
  });
}, 3 * minutes);
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await kafka?.stop();
});

test('a relay starts, publishes to a topic that is there and to a new one, and the commands see all of it', async () => {
  const created = unique('created');
  await registerSchema(`${created}-test.ItemMoved`, itemSchema);
  const routes = settingsEnv({
    TOPICS_TEMPLATE: '{aggregatetype}',
    TOPICS_ALLOW: `${world.topic},${created}`,
    TOPICS_CREATE: true,
  });
  const json = async (...args: string[]) => {
    const { stdout, stderr } = await world.commandWith(routes, ...args, '--json');
    expect(stderr, args.join(' ')).not.toMatch(/^error/m);
    return JSON.parse(stdout);
  };
  await world.startRelay({}, routes).streaming();
  const { rows } = await world.pool.query<{ id: string }>(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload)
     select topic, 'a', 'test.ItemMoved', '{"key":"a","seq":1}' from unnest($1::text[]) as topic returning id`,
    [[world.topic, created]],
  );
  await untilCovered(world);
  expect(await json('verify')).toMatchObject({
    ok: true,
    events: 2,
    records: 2,
    topics: [world.topic, created].toSorted(),
  });
  for (const { id } of rows) expect((await json('find', id)).events).toMatchObject([{ state: 'published' }]);
  const { checks } = (await json('check')) as { checks: { server: string; name: string; status: string }[] };
  expect(checks.filter(({ server, status }) => server === 'kafka' && status === 'error')).toEqual([]);
  expect((await json('status')).verdict).toMatchObject({ isGood: true, name: 'streaming' });
  expect((await json('audit', '--once')).audit).toMatchObject({ lastError: null, matched: 2, missing: 0 });
});
