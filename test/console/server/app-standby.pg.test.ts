/**
 * After a failover the address leads to a standby until that is promoted. A real one: every answer says so, what was known
 * has its age, an action is refused, and all of it goes on by itself once the server takes writes.
 */

import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Seen } from '../../../console/server/live/status-watch.ts';
import { StatusWatch } from '../../../console/server/live/status-watch.ts';
import type { Use } from '../../../console/server/use.ts';
import { TcpProxy } from '../../../harness/tcp-proxy.ts';
import { migrate } from '../../../relay/operations/migrate/migrate.ts';
import { keepPool } from '../../../relay/operations/with-pool.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { type Standby, startStandby } from '../../../stack/postgres-copy.ts';
import { ada, startAsking } from './asking.ts';

const settings = { fsync: 'off' };
const slot = 'standby_test';
const letter = '0000000000001000.00000000';

let primary: Postgres;
let standby: Standby;
let proxy: TcpProxy;
let watch: StatusWatch;
let desk: ReturnType<typeof startAsking>;
let endPool: () => Promise<void>;

beforeAll(async () => {
  primary = await startPostgres({ settings });
  await migrate({ databaseUrl: primary.url, dryRun: false });
  const client = new pg.Client({ connectionString: primary.url });
  await client.connect();
  await client.query(`
    insert into outbox.progress (slot, initialised_at, end_lsn) values ('${slot}', now(), '0/9000');
    insert into outbox.dead_letter (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, topic, code, message, path)
      values ('${slot}', '0/1000', 0, gen_random_uuid(), 'item', 'k', 'test.ItemMoved', '{}', 't', 'PAYLOAD_INVALID', 'm', '$.seq')`);
  await client.end();
  standby = await startStandby(primary, { settings });
  proxy = await TcpProxy.open(primary.port);
  const env = {
    DATABASE_URL: proxy.through(primary.url),
    OUTBOX_RELAY_SLOT: slot,
    KAFKA_BROKERS: '127.0.0.1:1',
    SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
  };
  desk = startAsking(env, (config) => {
    endPool = keepPool(config);
    watch = new StatusWatch(config);
    return { status: watch, sampler: { subscribe: () => () => {} } } as unknown as Use;
  });
}, 60_000);
afterAll(async () => {
  watch?.end();
  await endPool?.();
  proxy?.close();
  await standby?.stop({ mode: 'immediate' });
  await primary?.stop({ mode: 'immediate' });
});

/** Each screen asks for some of these. */
const reads = [
  '/audit',
  '/database',
  '/settings/actions',
  '/dead-letters/groups',
  '/dead-letters',
  `/dead-letters/${letter}`,
  '/parked-keys',
];
const actions: readonly [string, object][] = [
  ['/control/pause', { topic: null, mode: 'hold', forSeconds: null, reason: 'x' }],
  ['/control/rate-limit', { eventsPerSecond: 5, reason: 'x' }],
  [`/dead-letters/${letter}/undo`, { fix: '1', reason: 'x' }],
];

const codeOf = (body: unknown) => JSON.stringify(body).match(/"code":"(POSTGRES_[A-Z_]+)"/)?.[1];

/** Of each question: its status, and the code of Postgres in it. */
const said = async () => {
  const answers = await Promise.all(
    reads.map(async (path) => {
      const { status, body } = await desk.ask(ada, path);
      // The screen of the database says of each part why it is not known.
      return [path === '/database' && codeOf(body) !== undefined ? 503 : status, codeOf(body)] as const;
    }),
  );
  return new Map(reads.map((path, index) => [path, answers[index]!]));
};

test('a standby at the address is said everywhere, refuses what would change something, and is over once promoted', async () => {
  const seen: Seen[] = [];
  const end = watch.subscribe((each) => seen.push(each));
  await vi.waitFor(() => expect(seen.at(-1)?.status).toBeTruthy(), 30_000);
  for (const answer of (await said()).values()) expect(answer).toEqual([200, undefined]);

  proxy.targetPort = standby.port;
  primary.kill('SIGQUIT');
  proxy.reset();

  await vi.waitFor(() => expect(seen.at(-1)?.failure).toMatchObject({ code: 'POSTGRES_READ_ONLY' }), 30_000);
  const { status, ageMs, failure } = seen.at(-1)!;
  expect(status?.slotName).toBe(slot);
  expect(ageMs).toBeGreaterThan(0);
  expect(failure).toMatchObject({
    message: expect.stringContaining('the server is a standby'),
    hint: expect.stringMatching(/takes no writes/),
  });
  for (const [path, answer] of await said())
    expect([path, ...answer]).toEqual([path, 503, 'POSTGRES_READ_ONLY']);
  for (const [path, body] of actions) {
    const refused = await desk.ask(ada, path, { body });
    expect([path, refused.status, refused.body.code]).toEqual([path, 503, 'POSTGRES_READ_ONLY']);
    expect(refused.body.hint).toMatch(/No action was done/);
  }

  await standby.promote();
  await vi.waitFor(() => expect(seen.at(-1)?.failure).toBeNull(), 30_000);
  for (const [path, answer] of await said()) expect([path, ...answer]).toEqual([path, 200, undefined]);
  const done = await desk.ask(ada, '/control/rate-limit', {
    body: { eventsPerSecond: 5, reason: 'promoted' },
  });
  expect([done.status, done.body.control?.limits.eventsPerSecond]).toEqual([200, 5]);
  const { body } = await desk.ask(ada, '/settings/actions');
  expect(body.actions).toMatchObject([{ action: 'rate-limit', reason: 'promoted' }]);
  end();
}, 60_000);
