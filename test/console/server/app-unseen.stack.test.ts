/**
 * What the console may not see it does not show as 0 or as nothing: of every route that looks, with each table in turn
 * hidden by row-level security, and with the right to read it taken away while the console runs.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StatusWatch } from '../../../console/server/live/status-watch.ts';
import type { Use } from '../../../console/server/use.ts';
import { keepPool } from '../../../relay/operations/with-pool.ts';
import { World } from '../../relay/world.ts';
import { type Login, makeOperator } from '../../support/roles.ts';
import { ada, startAsking } from './asking.ts';

let world: World;
let operator: Login;
let desk: ReturnType<typeof startAsking>;
let end: () => Promise<void>;
let tables: readonly string[];

/** Where the data come from Postgres. The other routes ask Kafka and the registry, or know it themselves. */
const routes: Readonly<Record<string, string>> = {
  'GET /live': '/live',
  'GET /audit': '/audit',
  'GET /database': '/database',
  'GET /settings/actions': '/settings/actions',
  'GET /dead-letters/groups': '/dead-letters/groups',
  'GET /dead-letters': '/dead-letters',
  'GET /dead-letters/outlook': '/dead-letters/outlook',
  'GET /dead-letters/:position': '/dead-letters/0000000000001000.00000000',
  'GET /parked-keys': '/parked-keys',
  'GET /parked-keys/events': '',
  'GET /find': '/find?by=key&value=k',
};
const elsewhere =
  /^(POST|GET \/(me|live\/history|settings|jobs.*|.*\/(verify|check|cleanup|transactions)|topics.*|schemas.*)$)/;

beforeAll(async () => {
  world = await World.create(1);
  operator = await makeOperator(world.database);
  desk = startAsking({ ...world.env, ...operator.env }, (config) => {
    end = keepPool(config);
    return { status: new StatusWatch(config), sampler: { subscribe: () => () => {} } } as unknown as Use;
  });
  const { slot, topic, pool } = world;
  await pool.query(`
    insert into outbox.progress (slot, initialised_at, end_lsn) values ('${slot}', now(), '0/9000');
    insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('item', 'k', 'test.ItemMoved', '{"key":"k","seq":1}');
    insert into outbox.dead_letter (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, topic, code, message, path)
      values ('${slot}', '0/1000', 0, gen_random_uuid(), 'item', 'k', 'test.ItemMoved', '{}', '${topic}', 'PAYLOAD_INVALID', 'm', '$.seq');
    insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key) values ('${slot}', '0/1000', 0, '${topic}', 'k');
    select outbox.limit_rate('${slot}', 5, null, 'Eve', 'x');
    select outbox.pause('${slot}', '${topic}', 'hold', null, 'Eve', 'x');
    select outbox.fix_dead_letter('${slot}', '0/1000', 0, '{}', '{"a":1}', 'Eve', 'x');
  `);
  const { rows } = await pool.query<{ name: string }>(
    `select 'outbox.' || relname as name from pg_class
      where relnamespace = 'outbox'::regnamespace and relkind in ('r', 'p') and not relispartition order by 1`,
  );
  tables = rows.map(({ name }) => name);
});
afterAll(async () => {
  await end?.();
  await operator?.drop();
  await world?.[Symbol.asyncDispose]();
});

/** Each answer as text; of streams what they say first. */
async function look(): Promise<Map<string, string>> {
  const of = async (path: string) => {
    const isStream = path === '/live';
    const { status, body } = await desk.ask(ada, path, isStream ? { until: /event: status[\s\S]*\n\n/ } : {});
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    // Before it, a search says what it reads.
    const answer = path.startsWith('/find') ? text.trim().split('\n').at(-1)! : text;
    return [path, `${status} ${answer}`] as const;
  };
  const paths = Object.values(routes).map((path) =>
    path === '' ? `/parked-keys/events?topic=${world.topic}&key=k` : path,
  );
  return new Map(await Promise.all(paths.map(of)));
}

/** What changes by itself: times, and how much WAL there is. */
const settled = (text: string) =>
  text
    .replaceAll(/"\d{4}-\d\d-\d\dT[^"]*"/g, '"T"')
    .replaceAll(/\d+(\.\d+)?/g, '#')
    .replaceAll(/# (B|[KMGT]iB)/g, '# B');

test('every route that looks is tried here', () => {
  expect(desk.routes.filter((route) => !elsewhere.test(route)).toSorted()).toEqual(
    Object.keys(routes).toSorted(),
  );
});

test.each([
  [
    'hides the rows of',
    (table: string) => `alter table ${table} enable row level security`,
    (table: string) => `alter table ${table} disable row level security`,
    /POSTGRES_ROWS_HIDDEN/,
  ],
  [
    'takes away the right to read',
    (table: string) => `revoke select on ${table} from outbox_operator`,
    (table: string) => `grant select on ${table} to outbox_operator`,
    /POSTGRES_UNAUTHORIZED/,
  ],
])('where somebody %s a table, no answer is another without saying so', async (_, change, restore, code) => {
  expect(tables.length).toBeGreaterThan(15);
  const before = await look();
  for (const answer of before.values()) expect(answer).toMatch(/^200/);
  const said = new Map<string, string[]>();
  for (const table of tables) {
    await world.pool.query(change(table));
    const now = await look();
    await world.pool.query(restore(table));
    for (const [path, answer] of now) {
      const isSame = settled(answer) === settled(before.get(path)!);
      if (!isSame && !code.test(answer))
        expect([table, path, answer]).toEqual([table, path, before.get(path)]);
      if (!isSame) said.set(path, [...(said.get(path) ?? []), table]);
    }
  }
  // Each depends on some table.
  expect([...said.keys()].toSorted()).toEqual([...before.keys()].toSorted());
  expect(settled([...(await look()).values()].join())).toBe(settled([...before.values()].join()));
});
