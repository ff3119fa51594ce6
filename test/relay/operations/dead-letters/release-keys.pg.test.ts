/** What a release says that publishes nothing, with the rights of an operator and no others. The relay is played. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Config } from '../../../../relay/config/config.ts';
import { releaseKeys } from '../../../../relay/operations/dead-letters/release-keys.ts';
import { type LetterDatabase, openLetterDatabase } from './letters.ts';

let database: LetterDatabase;
let config: Config;
beforeAll(async () => {
  database = await openLetterDatabase();
  config = database.operator.config;
});
afterAll(() => database?.[Symbol.asyncDispose]());

/** Its events went to `before` when the key was parked. */
async function park(before: string): Promise<void> {
  const { pool } = database;
  await pool.query(
    'truncate outbox.dead_letter, outbox.parked_key, outbox.key_release, outbox.pause cascade',
  );
  await database.leave('0/3000', 1);
  await pool.query('update outbox.dead_letter set topic = $1', [before]);
  await pool.query(
    `insert into outbox.parked_key (slot, topic, key, commit_lsn, ordinal) values ($1, $2, 'k0', '0/3000', 0)`,
    [config.slot.name, before],
  );
}

const setAside = (topic: string) =>
  database.pool.query(`select outbox.pause($1, $2, 'set-aside', null, 'ada', 'test')`, [
    config.slot.name,
    topic,
  ]);

test.each([
  ['for which they wait', ['before'], ['before']],
  ['to which they go now', ['now.item'], ['now.item']],
  ['that are, of both', ['before', 'now.item'], ['before', 'now.item']],
  ['that is no more: none', [], []],
])('a release of keys that are set aside names the topic %s', async (_, paused, named) => {
  await park('before');
  for (const topic of paused) await setAside(topic);
  const routed = {
    ...config,
    topics: { ...config.topics, template: 'now.{aggregatetype}', allow: ['now.*'] },
  };
  const releasing = releaseKeys({
    config: routed,
    selection: {},
    actor: { person: 'ada', reason: null },
    waitMs: 30_000,
    onProgress: () => {},
  });
  await expect
    .poll(async () => {
      const { rowCount } = await database.pool.query(
        `update outbox.key_release set outcome = 'set-aside', published = 0, refused = 0, processed_at = now()
          where outcome is null`,
      );
      return rowCount;
    })
    .toBe(1);
  expect(await releasing).toMatchObject([
    { topic: 'before', key: 'k0', outcome: 'set-aside', setAside: named },
  ]);
});
