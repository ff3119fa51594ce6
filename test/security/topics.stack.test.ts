/**
 * Rows that try to reach a topic that is not theirs: Kafka's internal ones, the registry's, the progress, names that are
 * not listed, not legal or not possible. Each is set aside, once, and holds up nobody.
 */
import { expect, test } from 'vitest';
import { World } from '../relay/world.ts';
import { readTopics, withAdmin } from '../support/kafka.ts';

const tricky = (world: World): string[] => [
  '__consumer_offsets',
  '__transaction_state',
  '__cluster_metadata',
  '_schemas',
  world.progressTopic,
  '.',
  '..',
  '../..',
  '',
  ' ',
  'a/b',
  'a b',
  'a,b',
  `${world.topic} `,
  `${world.topic}\n`,
  ` ${world.topic}`,
  `${world.topic}\u0001`,
  `${world.topic}\u007f`,
  `${world.topic}\u200b`,
  'Ünïcode',
  '{aggregatetype}',
  '{type}',
  '$&',
  '*',
  'x'.repeat(250),
  'y'.repeat(100_000),
];

test.each(['*', '_*,*', 'listed'])('with the allow-list %s no row goes where it may not', async (allow) => {
  await using world = await World.create(1);
  // Differs from the topic in a character that counts as the same in Kafka: never to be created.
  const twin = world.topic.replaceAll('_', '.');
  const relay = world.startRelay({
    TOPICS_TEMPLATE: '{aggregatetype}',
    TOPICS_ALLOW: allow === 'listed' ? world.topic : allow,
    TOPICS_CREATE: 'true',
  });
  await relay.streaming();
  const emit = async (aggregatetype: string) => {
    const { rows } = await world.pool.query<{ id: string }>(
      `select outbox.emit($1, 'k', 'test.ItemMoved', '{"key":"k","seq":1}') as id`,
      [aggregatetype],
    );
    return rows[0]!.id;
  };
  const names = [...tricky(world), twin];
  for (const name of names) await emit(name);
  const last = await emit(world.topic);

  const records = await world.read([last]);
  expect(records.map(({ headers }) => headers.id)).toEqual([last]);
  const { rows } = await world.pool.query<{ aggregatetype: string; code: string }>(
    'select aggregatetype, code from outbox.dead_letter order by commit_lsn, ordinal',
  );
  const codeOf = (name: string): string => {
    if (/^$|^\.|\.\.|\.$/.test(name)) return 'EVENT_INVALID';
    return name === twin && allow !== 'listed' ? 'TOPIC_MISSING' : 'TOPIC_NOT_ALLOWED';
  };
  expect(rows).toEqual(names.map((name) => ({ aggregatetype: name, code: codeOf(name) })));
  const progress = await readTopics({
    topics: [world.progressTopic],
    until: (read) => read.at(-1)?.value?.includes('"eventCount":1') === true,
  });
  const keys = new Set(progress.map(({ key }) => key));
  expect(keys).toEqual(new Set([world.slot, `${world.slot}/claim`]));
  const topics = await withAdmin((admin) => admin.listTopics());
  expect(topics.filter((topic) => names.includes(topic) && !topic.startsWith('__'))).toEqual([
    world.progressTopic,
  ]);
  const metrics = await (await fetch(`${relay.url}/metrics`)).text();
  expect(metrics).not.toMatch(/Ünïcode|x{250}|cluster_metadata/);
});
