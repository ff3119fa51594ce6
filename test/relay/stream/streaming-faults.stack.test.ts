/** Faults at one place of the stream: what came before it is published, the fault is told with its place, and nothing is lost. */
import { describe, expect, it } from 'vitest';
import type { RelayProcess } from '../../../harness/relay-process.ts';
import { createDatabase } from '../../support/database.ts';
import { idOf, itemOf, World } from '../world.ts';

/** Starts a relay, and ends it as soon as it streams: what is written from now on waits. */
async function once(world: World, settings: Record<string, string | number> = {}): Promise<void> {
  const relay = world.startRelay(settings);
  await relay.streaming();
  await drained(relay);
}

async function drained(relay: RelayProcess): Promise<void> {
  relay.signal('SIGTERM');
  expect(await relay.exited).toMatchObject({ code: 0 });
}

const failureOf = (relay: RelayProcess) =>
  relay.line(({ err, level }) => err !== undefined && level === 'fatal');

const emitted = `insert into outbox.event (aggregatetype, aggregateid, type, payload)`;

describe('a row that Postgres cannot send', () => {
  it('stops the relay by its place, when all before it is published, and again at each start', async () => {
    const encoding = `encoding 'SQL_ASCII' template template0 lc_collate 'C' lc_ctype 'C' locale_provider libc`;
    await using database = await createDatabase(encoding);
    await using world = await World.create(1, { databaseUrl: database.url });
    const { stdout } = await world.command('check');
    expect(stdout).toMatch(/^! postgres {2}outbox table: the encoding of the database is SQL_ASCII/m);
    await once(world);
    const before = [
      ...(await world.write([{ key: 'a', seq: 0 }])),
      ...(await world.write([
        { key: 'b', seq: 1 },
        { key: 'a', seq: 2 },
      ])),
    ];
    await world.pool.query(`begin; ${emitted} values ('item', 'c', 'test.ItemMoved', '{"key":"c","seq":3}');
      ${emitted} values ('item', E'caf\\xe9', 'test.ItemMoved', '{"key":"d","seq":4}'); commit`);
    await world.write([{ key: 'a', seq: 5 }]);
    for (let start = 0; start < 2; start++) {
      const relay = world.startRelay();
      const { err } = await failureOf(relay);
      expect(err).toMatchObject({ code: 'ROW_UNREADABLE' });
      expect(err?.message).toMatch(
        /committed at [0-9A-F]+\/[0-9A-F]+, after 1 of its events: .*"UTF8": 0xe9/,
      );
      expect(await relay.exited).toMatchObject({ code: 78 });
      expect(relay.lines.map((line) => line.err?.code)).not.toContain('SLOT_IN_USE');
      expect((await world.read(before)).map(idOf)).toEqual(before);
    }
  });
});

it('text of a database that is not UTF-8 is converted, in key and payload', async () => {
  const encoding = `encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C' locale_provider libc`;
  await using database = await createDatabase(encoding);
  await using world = await World.create(1, { databaseUrl: database.url });
  await once(world);
  const ids = await world.write([{ key: 'café', seq: 1, note: 'Zoë' }]);
  const relay = world.startRelay();
  const [record] = await world.read(ids);
  expect(record?.key).toBe('café');
  expect(itemOf(record!)).toMatchObject({ key: 'café', note: 'Zoë' });
  await drained(relay);
});

describe('a column that was renamed while events waited', () => {
  it('is passed with the old name until the relay stops, and then with the new one', async () => {
    await using world = await World.create(1);
    await world.pool.query('create table public.ob (like outbox.event)');
    await world.pool.query('alter publication outbox_relay add table public.ob');
    const settings = { OUTBOX_TABLE: 'public.ob', OUTBOX_PARTITIONS_DAYS_AHEAD: 0 };
    const write = async (column: string, seq: number) => {
      const { rows } = await world.pool.query<{ id: string }>(
        `insert into public.ob (id, aggregatetype, aggregateid, type, ${column}, headers, created_at)
         values (gen_random_uuid(), 'item', 'k', 'test.ItemMoved', $1, '{}', now()) returning id`,
        [`{"key":"k","seq":${seq}}`],
      );
      return rows[0]!.id;
    };
    await once(world, settings);
    const ids = [await write('payload', 1), await write('payload', 2)];
    await world.pool.query('alter table public.ob rename column payload to body');
    ids.push(await write('body', 3));

    const old = world.startRelay(settings);
    const { err } = await failureOf(old);
    expect(err).toMatchObject({ code: 'OUTBOX_TABLE_INVALID' });
    expect(err?.message).toMatch(
      /public\.ob has no column payload .*body.*committed at .*everything before it is published/,
    );
    expect(await old.exited).toMatchObject({ code: 78 });
    expect((await world.read(ids.slice(0, 2))).map(idOf)).toEqual(ids.slice(0, 2));

    const renamed = world.startRelay({ ...settings, OUTBOX_COLUMNS_PAYLOAD: 'body' });
    expect((await world.read(ids)).map(idOf)).toEqual(ids);
    await drained(renamed);
  });
});

it('a transaction that is published in part is not taken for published where the rest of it cannot be read', async () => {
  await using world = await World.create(1);
  await world.pool.query('create table public.ob (like outbox.event)');
  await world.pool.query('alter publication outbox_relay add table public.ob');
  const settings = {
    OUTBOX_TABLE: 'public.ob',
    OUTBOX_PARTITIONS_DAYS_AHEAD: 0,
    PUBLISH_MAX_TRANSACTION_EVENTS: 2,
    PUBLISH_BATCH_EVENTS: 2,
  };
  const write = async (column: string, count: number) => {
    const { rows } = await world.pool.query<{ id: string }>(
      `insert into public.ob (id, aggregatetype, aggregateid, type, ${column}, headers, created_at)
       select gen_random_uuid(), 'item', 'k', 'test.ItemMoved', format('{"key":"k","seq":%s}', i)::json, '{}', now()
         from generate_series(1, $1::int) i returning id`,
      [count],
    );
    return rows.map(({ id }) => id);
  };
  await once(world, settings);
  const ids = await write('payload', 6);
  await world.pool.query('alter table public.ob rename column payload to body');
  ids.push(...(await write('body', 1)));

  const dying = world.startRelay({ ...settings, FAILPOINT: 'KAFKA_COMMITTED' });
  await dying.exited;
  expect((await world.read(ids.slice(0, 2))).map(idOf)).toEqual(ids.slice(0, 2));

  const renamed = { ...settings, OUTBOX_COLUMNS_PAYLOAD: 'body' };
  const early = world.startRelay(renamed);
  expect((await failureOf(early)).err).toMatchObject({ code: 'OUTBOX_TABLE_INVALID' });
  const old = world.startRelay(settings);
  expect((await failureOf(old)).err).toMatchObject({ code: 'OUTBOX_TABLE_INVALID' });
  const late = world.startRelay(renamed);
  expect((await world.read(ids)).map(idOf)).toEqual(ids);
  await drained(late);
});

it('an event that halts the stream does not keep those before it from being published', async () => {
  await using world = await World.create(1);
  const settings = { DEAD_LETTERS_POLICY: 'halt' };
  await once(world, settings);
  // In transactions of their own: the first is in flight while those behind it are only filling.
  await world.pool.query(`do $$ begin
    for i in 1..50 loop
      ${emitted} values ('item', 'a', 'test.ItemMoved', format('{"key":"a","seq":%s}', i)::json); commit;
    end loop;
    insert into outbox.event (aggregatetype, aggregateid, type, payload, headers)
    values ('item', 'a', 'test.ItemMoved', '{}', '{"a":{}}');
  end $$`);
  const { rows } = await world.pool.query<{ id: string }>(
    `select id from outbox.event where payload::text <> '{}' order by (payload ->> 'seq')::int`,
  );
  const before = rows.map(({ id }) => id);
  const relay = world.startRelay(settings);
  expect((await failureOf(relay)).err?.code).toBe('EVENT_REJECTED');
  expect((await world.read(before)).map(idOf)).toEqual(before);
});

it('relays whose sessions die before they publish anything turn unready, though each sees the other active', async () => {
  await using world = await World.create(1);
  const settings = { RETRY_NOT_READY_AFTER_MS: 1_500, CAPTURE_HEARTBEAT_MS: 60_000 };
  const relays = [world.startRelay(settings), world.startRelay(settings)];
  await Promise.all(
    relays.map((relay) => relay.line(({ msg, state }) => state === 'streaming' || /^standby:/.test(msg))),
  );
  const statuses = async () => Promise.all(relays.map(async (relay) => (await relay.ready()).status));
  expect(await statuses()).toEqual([200, 200]);
  const dying = async () => {
    await world.pool.query(
      'select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active',
      [world.slot],
    );
    return statuses();
  };
  await expect.poll(dying, { interval: 50 }).toEqual([503, 503]);
  await world.read(await world.write([{ key: 'k', seq: 0 }]));
  await expect.poll(statuses, { interval: 50 }).toEqual([200, 200]);
});
