/** What people are told by whatever command meets a Postgres that does not take it: the same, with the place, and no password. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hints } from '../../../../relay/errors.ts';
import { freePort } from '../../../../stack/port.ts';
import { withAdmin } from '../../../support/kafka.ts';
import { World } from '../../world.ts';

const notAnEvent = '00000000-0000-4000-8000-000000000000';
/** One for each way in which commands reach Postgres. */
const commands = [
  ['migrate'],
  ['status'],
  ['find', notAnEvent],
  ['pause', '--reason', 'x'],
  ['resume'],
  ['rate-limit'],
  ['verify'],
  ['audit', '--once'],
  ['dead-letters', 'list'],
  ['dead-letters', 'groups'],
  ['dead-letters', 'show', notAnEvent],
  ['dead-letters', 'discard', notAnEvent, '--reason', 'x', '--yes'],
  ['recover', '--dry-run'],
  ['cleanup', '--dry-run'],
  ['replay', 'list'],
  ['adopt', 'slot'],
  ['schemas', 'test'],
  ['run'],
];

let world: World;
beforeAll(async () => {
  world = await World.create(1);
});
afterAll(() => world?.[Symbol.asyncDispose]());

function changed(change: (url: URL) => void): { env: { DATABASE_URL: string }; place: string } {
  const url = new URL(world.database.url);
  change(url);
  return { env: { DATABASE_URL: url.href }, place: `${url.host}, database ${url.pathname.slice(1)}` };
}

describe.each(commands)('%s %s', (...args) => {
  test('names the database that does not exist, and how to go on', { timeout: 60_000 }, async () => {
    const { env, place } = changed((url) => {
      url.pathname = '/nobody_made_it';
    });
    const { code, stdout, stderr } = await world.commandWith(env, ...args);
    expect(code).toBe(78);
    expect(stdout + stderr).toContain(
      `connecting to Postgres at ${place}: database ${args[0] === 'run' ? '\\"nobody_made_it\\"' : '"nobody_made_it"'} does not exist`,
    );
    expect(stdout + stderr).toContain(hints.DATABASE_MISSING);
  });

  test('names the place that refuses the password, and not the password', { timeout: 60_000 }, async () => {
    const { env, place } = changed((url) => {
      url.password = 'open-sesame';
    });
    const { code, stdout, stderr } = await world.commandWith(env, ...args);
    expect(code).toBe(77);
    expect(stdout + stderr).toContain(`connecting to Postgres at ${place}: password authentication failed`);
    expect(stdout + stderr).not.toContain('sesame');
  });
});

test('a host that nobody knows, and a port on which nobody listens, are named with the database', async () => {
  const port = await freePort();
  const places = {
    [`127.0.0.1:${port}`]: /ECONNREFUSED/,
    'host-of-nobody.invalid:5432': /ENOTFOUND|EAI_AGAIN/,
  };
  for (const [host, why] of Object.entries(places)) {
    const { code, stderr } = await world.commandWith(
      { DATABASE_URL: `postgres://relay:open-sesame@${host}/shop` },
      'status',
    );
    expect(code).toBe(69);
    expect(stderr).toContain(
      `error POSTGRES_UNAVAILABLE: connecting to Postgres at ${host}, database shop: `,
    );
    expect(stderr).toMatch(why);
    expect(stderr).not.toContain('sesame');
  }
});

test('a relay that one side does not take in leaves nothing at the other', { timeout: 60_000 }, async () => {
  const refused = changed((url) => {
    url.password = 'wrong';
  });
  expect((await world.commandWith(refused.env, 'run')).code).toBe(77);
  expect(await withAdmin((admin) => admin.listTopics())).not.toContain(world.progressTopic);
  const kafka = { KAFKA_BROKERS: `127.0.0.1:${await freePort()}` };
  const relay = world.startRelay({ KAFKA_CONNECT_TIMEOUT_MS: 500 }, kafka);
  await relay.line(({ msg }) => msg.startsWith('session failed'));
  await relay.stop();
  const { rows } = await world.pool.query('select from pg_replication_slots where slot_name = $1', [
    world.slot,
  ]);
  expect(rows).toEqual([]);
  await world.startRelay().streaming();
  expect(await withAdmin((admin) => admin.listTopics())).toContain(world.progressTopic);
});
