import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Settings } from '../../../harness/relay-process.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import {
  createTopics,
  kafkaClient,
  type ReadRecord,
  readCommitted,
  readTopics,
  removeRecords,
  withAdmin,
} from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';
import { idOf, World } from '../world.ts';

/** Of its own: an open transaction of another test would make the snapshots unclear. */
let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres({ settings: { fsync: 'off' } });
});
afterAll(() => postgres?.stop());

const streamOne = async (world: World, settings: Settings = {}, key = 'k') => {
  const relay = world.startRelay(settings);
  await relay.streaming();
  const ids = await world.write([{ key, seq: 0 }]);
  await world.read(ids);
  return { relay, ids };
};

/** Streams one event, then takes the table out of the publication and back while no relay runs, and writes two more. */
async function writeBehindGap(world: World): Promise<string[]> {
  const { relay, ids } = await streamOne(world);
  relay.signal('SIGTERM');
  await relay.exited;
  await world.pool.query('alter publication outbox_relay drop table outbox.event');
  await world.pool.query('alter publication outbox_relay add table outbox.event');
  for (let seq = 1; seq < 3; seq++) ids.push(...(await world.write([{ key: 'k', seq }])));
  return ids;
}

/** Until what is committed now counts as published. */
async function untilCovered(world: World): Promise<void> {
  const { rows } = await world.pool.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
  const covers = () =>
    world.pool
      .query('select from outbox.progress where pg_visible_in_snapshot($1::xid8, covered_snapshot)', [
        rows[0]!.xid,
      ])
      .then(({ rowCount }) => rowCount);
  await expect.poll(covers, { interval: 20 }).toBe(1);
}

async function dropSlot(world: World): Promise<void> {
  const drop = () =>
    world.pool.query('select pg_drop_replication_slot($1)', [world.slot]).then(
      () => 'dropped',
      (error: Error) => error.message,
    );
  await expect.poll(drop, { interval: 20 }).toBe('dropped');
}

async function send(topic: string, timestamp: number): Promise<void> {
  const producer = (await kafkaClient()).producer({ allowAutoTopicCreation: false });
  await producer.connect();
  const headers = { id: unique('foreign'), type: 'other.Service', position: 'FFFFFFFF/0.0' };
  await producer.send({
    topic,
    messages: [{ key: 'foreign', value: 'x', timestamp: String(timestamp), headers }],
  });
  await producer.disconnect();
}

const reportOf = async (world: World, ...args: string[]) => {
  const { code, stdout, stderr } = await world.commandWith(allOf(world), 'recover', '--json', ...args);
  if (stdout === '') throw new Error(stderr);
  return { code, ...JSON.parse(stdout) };
};

const allOf = (world: World) => ({ OUTBOX_RELAY_TOPICS_ALLOW: `${world.topic},${world.topic}-other` });

describe('recover', { timeout: 120_000 }, () => {
  it('takes no later record of another service for a sign that events of a trimmed topic were published', async () => {
    await using world = await World.on(postgres.url);
    const other = `${world.topic}-other`;
    await createTopics([{ topic: other, numPartitions: 1 }]);
    const { relay } = await streamOne(world);
    await untilCovered(world);
    await relay.kill();
    const lost = [
      ...(await world.write([{ key: 'a', seq: 1 }])),
      ...(await world.write([{ key: 'b', seq: 1 }])),
    ];
    await dropSlot(world);
    await removeRecords(world.topic);
    await send(other, Date.now() + 660_000);

    const refused = await reportOf(world);
    expect(refused).toMatchObject({ code: 1, outcome: 'refused', published: 0, expired: { count: 1 } });
    expect(refused.unjudged.ids.toSorted()).toEqual(lost.toSorted());
    expect(refused.doubts).toMatchObject([
      expect.stringMatching(/^2 events .*--unjudged publish or --unjudged skip/),
    ]);
    expect(await reportOf(world, '--unjudged', 'publish')).toMatchObject({ code: 0, published: 2 });
    const isAll = (records: readonly ReadRecord[]) => lost.every((id) => records.map(idOf).includes(id));
    expect(await readTopics({ topics: [world.topic], until: isAll })).toSatisfy(isAll);
  });

  it('asks of a compacted topic about the keys that have a record left, and about all where a tombstone may be gone', async () => {
    await using world = await World.on(postgres.url);
    const { relay } = await streamOne(world);
    await untilCovered(world);
    await relay.kill();
    const asked = await world.write([{ key: 'k', seq: 1 }]);
    asked.push(...(await world.write([{ key: 'foreign', seq: 1 }])));
    const missing = await world.write([{ key: 'a', seq: 1 }]);
    await dropSlot(world);
    await send(world.topic, Date.now());
    await compact(world.topic);
    const refused = await reportOf(world);
    expect(refused).toMatchObject({ code: 1, outcome: 'refused', missing: { ids: missing } });
    expect(refused.unjudged.ids.toSorted()).toEqual(asked.toSorted());
    await world.pool.query(`update outbox.progress set covered_at = covered_at - interval '1 day'`);
    expect(await reportOf(world)).toMatchObject({ missing: { count: 0 }, unjudged: { count: 3 } });
    await world.pool.query(`update outbox.progress set covered_at = covered_at + interval '1 day'`);
    expect(await reportOf(world, '--unjudged', 'skip')).toMatchObject({ code: 0, published: 1 });
    expect(await reportOf(world, '--force', '--dry-run')).toMatchObject({
      records: 3,
      missing: { count: 0 },
    });
  });

  it('knows what was never published where a trimmed topic still holds something from before', async () => {
    await using world = await World.on(postgres.url);
    const { relay, ids } = await streamOne(world);
    const late = await world.write([{ key: 'k', seq: 1 }]);
    await world.read(late);
    await untilCovered(world);
    await relay.kill();
    const missing = await world.write([{ key: 'k', seq: 2 }]);
    await dropSlot(world);
    await removeRecords(world.topic, { before: '1' });
    // A minute later, as it would be.
    await world.pool.query(`update outbox.progress set covered_at = covered_at + interval '2 minutes'`);
    const recovered = await reportOf(world);
    expect(recovered).toMatchObject({
      code: 0,
      missing: { ids: missing },
      expired: { ids },
      published: 1,
      notCovered: null,
    });
    expect((await world.read(missing)).map(idOf)).toEqual([...late, ...missing]);
  });

  it('takes no record of a replay for a sign that a trimmed topic still holds what came after its event', async () => {
    await using world = await World.on(postgres.url);
    const { relay } = await streamOne(world);
    await untilCovered(world);
    await relay.kill();
    const replayed = await world.command('replay', '--all', '--reason', 'x', '--yes');
    expect(replayed, replayed.stderr).toMatchObject({ code: 0 });
    const record = (await readCommitted({ topics: [world.topic] })).find(
      ({ headers }) => headers['replay-id'] !== undefined,
    );
    const asked = await world.write([{ key: 'k', seq: 1 }]);
    await dropSlot(world);
    await removeRecords(world.topic, { before: String(record!.offset) });
    await world.pool.query(`update outbox.progress set covered_at = covered_at + interval '2 minutes'`);
    const refused = await reportOf(world);
    expect(refused).toMatchObject({ code: 1, missing: { count: 0 }, unjudged: { ids: asked } });
  });

  it('does not take for published what a relay that lags has not come to, however late its last progress', async () => {
    await using world = await World.on(postgres.url);
    const { relay } = await streamOne(world);
    await untilCovered(world);
    await relay.kill();
    const waiting = [];
    for (let seq = 1; seq < 4; seq++) waiting.push(...(await world.write([{ key: `w${seq}`, seq }])));
    // It publishes the first of what waits, and dies: the progress is written now and covers what is long past.
    const lagging = world.startRelay({
      PUBLISH_BATCH_EVENTS: 1,
      PUBLISH_LINGER_MS: 0,
      FAILPOINT: 'KAFKA_COMMITTED',
    });
    await lagging.exited;
    await dropSlot(world);
    await removeRecords(world.topic);
    await send(world.topic, Date.now());
    const refused = await reportOf(world);
    expect(refused).toMatchObject({ code: 1, missing: { count: 0 }, expired: { count: 1 } });
    expect(refused.unjudged.ids.toSorted()).toEqual(waiting.toSorted());
  });

  it('goes by transactions and not by the times that the application writes', async () => {
    await using world = await World.on(postgres.url);
    await world.pool.query(`
      create table public.events (id bigserial primary key, aggregatetype text, aggregateid text, type text, payload jsonb, headers json,
        created_at timestamp not null default current_timestamp);
      alter publication outbox_relay add table public.events;
      create function public.emit(seq int, at timestamp default null) returns text language sql as $$
        insert into public.events (aggregatetype, aggregateid, type, payload, created_at)
        values ('item', seq::text, 'test.ItemMoved', jsonb_build_object('key', seq::text, 'seq', seq), coalesce(at, localtimestamp))
        returning id::text $$;
      do $$ begin execute format('alter database %I set timezone = ''America/Los_Angeles''', current_database()); end $$`);
    const env = {
      OUTBOX_RELAY_OUTBOX_TABLE: 'public.events',
      OUTBOX_RELAY_OUTBOX_PARTITIONS_DAYS_AHEAD: '0',
    };
    const emit = (seq: number, at: string | null = null) =>
      world.pool
        .query("set timezone = 'America/Los_Angeles'")
        .then(() => world.pool.query('select public.emit($1, $2)', [seq, at]));
    await emit(1);
    const relay = world.startRelay({}, env);
    await relay.streaming();
    await emit(2);
    await untilCovered(world);
    await relay.kill();
    await emit(3);
    await emit(4, '1999-12-31');
    await emit(5, '2222-01-01');
    await dropSlot(world);
    const { code, stdout } = await world.commandWith(env, 'recover', '--json');
    expect(code, stdout).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      missing: { ids: ['4', '3', '5'], count: 3 },
      beforeFirstStart: { ids: ['1'] },
      published: 3,
    });
  });

  it('asks about everything where no snapshots were kept, and about what was given up', async () => {
    await using world = await World.on(postgres.url);
    const [before] = await world.write([{ key: 'before', seq: 0 }]);
    const { relay } = await streamOne(world);
    await untilCovered(world);
    await relay.kill();
    const [given] = await world.write([{ key: 'given up', seq: 1 }]);
    await dropSlot(world);
    await world.pool.query(
      'create temp table kept as select * from outbox.progress; update outbox.progress set snapshots_of = null',
    );
    const unknown = await reportOf(world);
    expect(unknown).toMatchObject({ code: 1, outcome: 'refused', beforeFirstStart: { count: 0 } });
    expect(unknown.unjudged.ids.toSorted()).toEqual([before, given].toSorted());
    await world.pool.query(`update outbox.progress set snapshots_of = kept.snapshots_of from kept`);
    expect(await world.command('adopt', 'new-slot', '--yes')).toMatchObject({ code: 0 });
    const next = world.startRelay();
    await next.streaming();
    await world.read(await world.write([{ key: 'k', seq: 2 }]));
    await untilCovered(world);
    await next.kill();
    const [missing] = await world.write([{ key: 'm', seq: 3 }]);
    await dropSlot(world);
    await removeRecords(world.topic);
    const adopted = await reportOf(world);
    expect(adopted.beforeFirstStart.ids).toEqual([before]);
    expect(adopted.unjudged.ids).toContain(given);
    expect(adopted.unjudged.ids).toContain(missing);
    expect(adopted.expired.ids).not.toContain(given);
  });

  it('that refuses leaves a slot that can be used, and one that dies leaves none behind and no way to publish twice', async () => {
    await using world = await World.on(postgres.url);
    const ids = await writeBehindGap(world);
    const slots = () =>
      world.pool
        .query(
          'select slot_name, confirmed_flush_lsn, wal_status from pg_replication_slots where database = current_database()',
        )
        .then(({ rows }) => rows);
    const before = await slots();
    expect(before).toMatchObject([{ slot_name: world.slot, wal_status: 'reserved' }]);
    expect(await reportOf(world)).toMatchObject({
      code: 1,
      outcome: 'refused',
      found: [{ code: 'PUBLICATION_GAP' }],
      missing: { count: 2 },
      keepsSlot: true,
    });
    await expect.poll(slots).toEqual(before);
    const shown = await world.command('adopt', 'gap');
    expect(shown).toMatchObject({ code: 1, stdout: expect.stringContaining('PUBLICATION_GAP') });

    const dying = { ...allOf(world), OUTBOX_RELAY_PUBLISH_BATCH_EVENTS: '1' };
    for (const failpoint of ['SLOT_CREATED', 'DEAD_LETTERS_REREAD', 'KAFKA_COMMITTED:1']) {
      const env = { ...dying, OUTBOX_RELAY_FAILPOINT: failpoint };
      const died = await world.commandWith(env, 'recover', '--by-writing-order');
      expect(died.code, `${failpoint}: ${died.stdout}${died.stderr}`).toBeNull();
      await expect.poll(slots).toMatchObject([{ slot_name: world.slot, wal_status: 'reserved' }]);
    }
    await world.pool.query('update outbox.progress set publication = null');
    const early = world.startRelay();
    expect(await early.exited).toMatchObject({ code: 78 });
    expect(early.lines.at(-1)?.err?.code).toBe('RECOVERY_UNFINISHED');
    expect(await world.command('adopt', 'slot', '--yes')).toMatchObject({ code: 64 });
    expect(await world.command('recover', '--by-writing-order')).toMatchObject({ code: 0 });
    await world.startRelay().streaming();
    ids.push(...(await world.write([{ key: 'k', seq: 3 }])));
    expect((await world.read(ids)).map(idOf)).toEqual(ids);
  });

  it('and adopt gap streams in order what a refusing recover left in the slot', async () => {
    await using world = await World.on(postgres.url);
    const ids = await writeBehindGap(world);
    expect(await reportOf(world)).toMatchObject({ code: 1, outcome: 'refused' });
    expect(await world.command('adopt', 'gap', '--yes')).toMatchObject({ code: 0 });
    await world.startRelay().streaming();
    expect((await world.read(ids)).map(idOf)).toEqual(ids);
  });
});

const compact = (topic: string) =>
  withAdmin((admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: topic, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] }],
    }),
  );
