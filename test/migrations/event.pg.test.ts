import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { insertEvent, type Outbox, openOutbox, refusalOf } from './outbox.ts';

let outbox: Outbox;
let owner: pg.Client;

beforeAll(async () => {
  outbox = await openOutbox();
  owner = await outbox.connect('owner');
});
afterAll(() => outbox?.[Symbol.asyncDispose]());

test('an update is refused even for the owner and a superuser, through the root and through a partition', async () => {
  await owner.query(insertEvent);
  const { rows } = await owner.query<{ partition: string }>(
    'select distinct tableoid::regclass::text as partition from outbox.event',
  );
  for (const table of ['outbox.event', ...rows.map((row) => row.partition)]) {
    expect(await refusalOf(owner.query(`update ${table} set type = 'Other'`))).toBe('23001');
  }
});

test('an update that would move a row to another partition is refused', async () => {
  await owner.query(insertEvent);
  expect(
    await refusalOf(owner.query(`update outbox.event set created_at = created_at + interval '1 day'`)),
  ).toBe('23001');
});

test('an update of a row in the default partition is refused', async () => {
  await owner.query(`insert into outbox.event (aggregatetype, aggregateid, type, created_at)
    values ('order', '1', 'OrderPlaced', '1999-01-01Z')`);
  expect(await refusalOf(owner.query(`update outbox.event_default set created_at = now()`))).toBe('23001');
});

test('the owner can delete and truncate events', async () => {
  await owner.query(insertEvent);
  expect((await owner.query('delete from outbox.event')).rowCount).toBeGreaterThan(0);
  await owner.query('truncate outbox.event');
});

test.each(['1999-12-31T23:59:59Z', '2199-01-01T00:00:00Z', '-infinity', 'infinity'])(
  'a row created at %s lands in the default partition',
  async (createdAt) => {
    const { rows } = await owner.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, created_at)
       values ('order', '1', 'OrderPlaced', $1) returning tableoid::regclass::text as partition`,
      [createdAt],
    );
    expect(rows).toEqual([{ partition: 'outbox.event_default' }]);
  },
);

test('a row without created_at lands in the partition of today', async () => {
  const { rows } = await owner.query(
    `${insertEvent} returning tableoid::regclass::text = 'outbox.event_' || to_char(created_at at time zone 'UTC', 'YYYYMMDD') as ok`,
  );
  expect(rows).toEqual([{ ok: true }]);
});

test('json is kept as written, and jsonb can be inserted without a cast', async () => {
  const { rows } =
    await owner.query(`insert into outbox.event (aggregatetype, aggregateid, type, payload, headers) values
    ('order', '1', 'A', '{"b": 12345678901234567890.10,  "a": 1}'::json, '{"x": "1"}'::json),
    ('order', '2', 'B', null, null)
    returning payload::text, headers::text`);
  expect(rows).toEqual([
    { payload: '{"b": 12345678901234567890.10,  "a": 1}', headers: '{"x": "1"}' },
    { payload: null, headers: null },
  ]);
  const jsonb =
    await owner.query(`insert into outbox.event (aggregatetype, aggregateid, type, payload, headers)
    values ('order', '3', 'C', '{"b":1}'::jsonb, '{"x":"1"}'::jsonb) returning payload::text, headers::text`);
  expect(jsonb.rows).toEqual([{ payload: '{"b": 1}', headers: '{"x": "1"}' }]);
});

test('a payload that is not JSON is refused at once', async () => {
  expect(
    await refusalOf(
      owner.query(
        `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('order', '1', 'A', '{')`,
      ),
    ),
  ).toBe('22P02');
});

test.each(['aggregatetype', 'aggregateid', 'type', 'created_at', 'id'])(
  'a null %s is refused',
  async (column) => {
    const values: Record<string, string> = {
      id: 'gen_random_uuid()',
      aggregatetype: `'order'`,
      aggregateid: `'1'`,
      type: `'A'`,
      created_at: 'now()',
      [column]: 'null',
    };
    const statement = `insert into outbox.event (${Object.keys(values)}) values (${Object.values(values)})`;
    expect(await refusalOf(owner.query(statement))).toBe('23502');
  },
);

test('a limit refuses a larger event when it is written, compressed or not, in every partition, until it is taken away', async () => {
  const write = (characters: number, day = 0) =>
    owner.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
       values ('order', '1', 'A', to_json(repeat('x', $1)), now() + $2 * interval '1 day')`,
      [characters, day],
    );
  await owner.query('select outbox.limit_event_bytes(100000)');
  await owner.query('select outbox.limit_event_bytes(200000)');
  await write(190_000);
  expect(await refusalOf(write(200_000))).toBe('23514');
  await owner.query(`select outbox.ensure_partitions(20)`);
  expect(await refusalOf(write(200_000, 19))).toBe('23514');
  await owner.query('select outbox.limit_event_bytes(null)');
  await write(200_000);
});

test('no index slows the writers down', async () => {
  const { rows } = await owner.query(
    `select indexname from pg_indexes where schemaname = 'outbox' and tablename like 'event%'`,
  );
  expect(rows).toEqual([]);
});
