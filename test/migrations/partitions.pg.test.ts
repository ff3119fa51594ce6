import type pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensurePartitions } from '../../relay/upkeep/make-partitions.ts';
import { insertEvent, insertEventOfDay, type Outbox, openOutbox, refusalOf } from './outbox.ts';

let outbox: Outbox;
let owner: pg.Client;

beforeEach(async () => {
  outbox = await openOutbox();
  owner = await outbox.connect('owner');
});
afterEach(() => outbox?.[Symbol.asyncDispose]());

/** The names of the partitions for the days from `first` to `last` days from today, UTC. */
async function namesOfDays(first: number, last: number): Promise<string[]> {
  const { rows } = await owner.query<{ name: string }>(
    `select 'event_' || to_char((now() at time zone 'UTC')::date + day, 'YYYYMMDD') as name
     from generate_series($1::int, $2::int) as day`,
    [first, last],
  );
  return rows.map((row) => row.name);
}

async function partitions(): Promise<string[]> {
  const { rows } = await owner.query<{ name: string }>(
    `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'outbox.event'::regclass order by 1`,
  );
  return rows.map((row) => row.name);
}

test('the migration itself makes today and a week ahead', async () => {
  expect(await partitions()).toEqual([...(await namesOfDays(0, 7)), 'event_default']);
});

test('the relay role makes what is missing and is told so, and a second call makes nothing', async () => {
  const relay = await outbox.connect('outbox_relay');
  expect(await ensurePartitions(relay, 9)).toEqual({ made: await namesOfDays(8, 9), skipped: {} });
  expect(await ensurePartitions(relay, 9)).toEqual({ made: [], skipped: {} });
});

test('a partition covers its day in UTC, whatever the time zone and date style of the session', async () => {
  const relay = await outbox.connect('outbox_relay');
  await relay.query(`set timezone = 'Pacific/Auckland'; set datestyle = 'SQL, DMY'`);
  const [, name] = (await ensurePartitions(relay, 9)).made;
  await owner.query(`set timezone = 'UTC'`);
  const { rows } = await owner.query(
    `select pg_get_expr(relpartbound, oid) =
       format('FOR VALUES FROM (%L) TO (%L)', day::timestamptz, (day + 1)::timestamptz) as whole_day
     from pg_class, (select right($1, 8)::date as day) as d where relname = $1`,
    [name],
  );
  expect(rows).toEqual([{ whole_day: true }]);
});

test('concurrent runs make each partition once', async () => {
  const relays = await Promise.all(Array.from({ length: 4 }, () => outbox.connect('outbox_relay')));
  const made = await Promise.all(relays.map((relay) => ensurePartitions(relay, 11)));
  expect(made.flatMap(({ made }) => made).sort()).toEqual(await namesOfDays(8, 11));
});

test('a day of which the default partition holds rows is skipped, and its rows stay', async () => {
  await owner.query(insertEventOfDay, [9]);
  const [before, skipped, after] = await namesOfDays(8, 10);
  expect(await ensurePartitions(owner, 10)).toEqual({ made: [before, after], skipped: { rows: [skipped] } });
  const { rows } = await owner.query('select tableoid::regclass::text as partition from outbox.event');
  expect(rows).toEqual([{ partition: 'outbox.event_default' }]);
  expect((await ensurePartitions(owner, 10)).made).toEqual([]);
});

test('a row that is only being written into the default partition makes the call fail, not wait for ever', async () => {
  const writer = await outbox.connect('outbox_writer');
  await writer.query('begin');
  await writer.query(insertEventOfDay, [8]);
  expect(await refusalOf(ensurePartitions(owner, 8))).toBe('55P03');
  await writer.query('commit');
  expect((await ensurePartitions(owner, 8)).made).toEqual([]);
});

test('an open writing transaction and partition making do not wait for each other', async () => {
  const [writer, other] = [await outbox.connect('outbox_writer'), await outbox.connect('outbox_writer')];
  await writer.query('begin');
  await writer.query(insertEvent);
  await owner.query('begin');
  expect((await ensurePartitions(owner, 8)).made).toEqual(await namesOfDays(8, 8));
  await other.query(`set lock_timeout = '500ms'`);
  await other.query(insertEvent);
  await writer.query(insertEvent);
  await writer.query('commit');
  await owner.query('commit');
});

test('a new partition takes rows, refuses updates and logs no old row', async () => {
  const [name] = (await ensurePartitions(owner, 8)).made;
  await owner.query(insertEventOfDay, [8]);
  expect(await refusalOf(owner.query(`update outbox.${name} set type = 'Other'`))).toBe('23001');
  const { rows } = await owner.query(
    `select relname, relreplident from pg_class
     where relnamespace = 'outbox'::regnamespace and relkind in ('r', 'p') and relname like 'event%' and relreplident <> 'n'`,
  );
  expect(rows).toEqual([]);
  expect((await owner.query(`select id is not null as ok from outbox.${name}`)).rows).toEqual([{ ok: true }]);
});

test('a detached partition is left alone and its day goes to the default partition', async () => {
  const [today] = await namesOfDays(0, 0);
  await owner.query(`alter table outbox.event detach partition outbox.${today}`);
  expect((await ensurePartitions(owner, 7)).made).toEqual([]);
  const { rows } = await owner.query(`${insertEvent} returning tableoid::regclass::text as partition`);
  expect(rows).toEqual([{ partition: 'outbox.event_default' }]);
});

test.each([-1, 367])('%i days ahead are refused', async (daysAhead) => {
  expect(await refusalOf(owner.query('select outbox.ensure_partitions($1)', [daysAhead]))).toBe('22023');
});

test('each day is a transaction of its own, so that the lock on the default partition is short', async () => {
  const { made } = await ensurePartitions(owner, 11);
  const { rows } = await owner.query<{ n: number }>(
    'select count(distinct xmin::text)::int as n from pg_class where relname = any ($1)',
    [made],
  );
  expect([made.length, rows[0]?.n]).toEqual([4, 4]);
});

test('a partition made by hand that covers a day is left alone, and the other days are made', async () => {
  const [eighth, ninth, tenth] = await namesOfDays(8, 10);
  await owner.query(
    `do $$ declare today date := (now() at time zone 'UTC')::date; begin
       set local timezone = 'UTC';
       execute format('create table outbox.by_hand partition of outbox.event for values from (%L) to (%L)', today + 9, today + 40);
     end $$`,
  );
  expect(await ensurePartitions(owner, 10)).toEqual({ made: [eighth], skipped: { overlap: [ninth, tenth] } });
  expect((await owner.query('select outbox.ensure_partitions(10)')).rows).toEqual([]);
});

test('no partition is attached where the default one is too large to be read under its lock', async () => {
  await owner.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
     select 'order', n::text, 'OrderPlaced', to_json(repeat('x', 1500)), '1999-01-01Z' from generate_series(1, 12000) n`,
  );
  const [eighth] = await namesOfDays(8, 8);
  // A writer whose transaction is open would make the call wait if it asked for the lock.
  const writer = await outbox.connect('outbox_writer');
  await writer.query('begin');
  await writer.query(insertEventOfDay, [30]);
  expect(await ensurePartitions(owner, 8)).toEqual({ made: [], skipped: { large: [eighth] } });
  await writer.query('rollback');
  await owner.query('delete from outbox.event');
  await owner.query('vacuum outbox.event_default');
  expect((await ensurePartitions(owner, 8)).made).toEqual([eighth]);
});
