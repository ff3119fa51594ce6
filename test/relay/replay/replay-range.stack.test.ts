/** What a replay may publish and what it has to leave alone, on real servers. */
import { ConfigResourceTypes } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { createTopic, readCommitted, withAdmin } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';
import { idOf, itemOf, World } from '../world.ts';
import { doIt, expectOnce, latestReplay, publish, recordsOf, resultOf, verified } from './world.ts';

// Of its own: while a transaction is open in a cluster, later events are not known to be published.
let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres({ settings: { fsync: 'off' } });
});
afterAll(() => postgres.stop());

const bad = (world: World, key: string, seq: number) =>
  world.pool.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload)
     values ('item', $1, 'test.ItemMoved', json_build_object('key', $1::text, 'seq', $2::text))`,
    [key, String(seq)],
  );

/** Gives every open dead letter the payload that it should have had. */
const fixAll = (world: World) =>
  world.pool.query(
    `update outbox.dead_letter set payload = json_build_object('key', aggregateid, 'seq', (payload::json ->> 'seq')::int)
      where status = 'open'`,
  );

it('what was written before the first start is published once, in as many runs as it takes', {
  timeout: 90_000,
}, async () => {
  await using world = await World.on(postgres.url, 3);
  const early: string[] = [];
  for (let seq = 0; seq < 3; seq++)
    early.push(...(await world.write(['a', 'b'].map((key) => ({ key, seq })))));
  const none = await world.command('replay', '--before-first-start', '--dry-run');
  expect(none).toMatchObject({ code: 64, stderr: expect.stringContaining('no relay has published') });
  const late = await publish(world, () => world.write([{ key: 'a', seq: 3 }]));
  expect((await verified(world)).unjudged).toMatchObject({ before: 6 });

  const first = ['replay', '--before-first-start', ...doIt];
  const doubtful = await world.command(...first);
  expect(doubtful.code).toBe(1);
  expect(resultOf(doubtful)).toMatchObject({
    outcome: 'refused',
    plan: { events: 6, leftOut: { streamed: 1, pending: 0 } },
  });
  expect(resultOf(doubtful).plan.doubts).toEqual([expect.stringContaining('2 keys is not known')]);

  const ordered = [...first, '--by-writing-order'];
  const died = await world.commandWith({ OUTBOX_RELAY_FAILPOINT: 'EVENTS_SENT' }, ...ordered, '--key', 'a');
  expect(died.code).toBeNull();
  const unfinished = await world.command(...ordered);
  expect(unfinished).toMatchObject({ code: 64, stderr: expect.stringContaining('--resume') });
  const ofA = await latestReplay(world);
  const { rows } = await world.pool.query(`select range -> 'keys' as keys from outbox.replay where id = $1`, [
    ofA,
  ]);
  expect(rows).toEqual([{ keys: ['a'] }]);
  expect(await world.command('replay', '--resume', ofA)).toMatchObject({ code: 0 });
  const rest = resultOf(await world.command(...ordered));
  expect(rest).toMatchObject({ outcome: 'done', plan: { events: 3, leftOut: { done: 3, streamed: 1 } } });
  expect(await world.command(...ordered)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('"empty"'),
  });

  const records = [...(await recordsOf(ofA, world.topic)), ...(await recordsOf(rest.replay.id, world.topic))];
  expectOnce(records, early);
  for (const { headers } of records) {
    expect(headers['replay-id']).toBeUndefined();
    expect(headers['backfill-id']).toBeDefined();
  }
  const { findings, unjudged } = await verified(world);
  expect(findings).toEqual({});
  expect(unjudged.before).toBeUndefined();

  // What a relay has published is another matter.
  const again = resultOf(await world.command('replay', '--all', ...doIt));
  expect(again).toMatchObject({ plan: { events: 1, leftOut: { before: 6 } } });
  expectOnce(await recordsOf(again.replay.id, world.topic), late);
});

it('dead letters come only once they are published, as they were published', {
  timeout: 120_000,
}, async () => {
  await using world = await World.on(postgres.url, 1);
  // One key per transaction, so that their order does not matter.
  await publish(world, async () => {
    await bad(world, 'discarded', 0);
    await bad(world, 'resubmitted', 0);
    await bad(world, 'open', 0);
  });
  const left = resultOf(await world.command('replay', '--all', '--dry-run', '--json'));
  expect(left.plan, JSON.stringify(left)).toMatchObject({ events: 0, leftOut: { 'dead-letter': 3 } });

  const idOfKey = async (key: string) =>
    (await world.pool.query('select event_id from outbox.dead_letter where aggregateid = $1', [key])).rows[0]
      .event_id as string;
  await world.command('dead-letters', 'discard', await idOfKey('discarded'), '--reason', 'x', '--yes');
  await fixAll(world);
  await publish(world, async () => {
    const done = await world.command('dead-letters', 'resubmit', await idOfKey('resubmitted'), '--yes');
    expect(done, done.stderr).toMatchObject({ code: 0 });
  });
  const parking = { DEAD_LETTERS_POLICY: 'park-key', DEAD_LETTERS_STORM_PERCENT: 100 };
  await publish(
    world,
    () => bad(world, 'released', 0).then(() => world.write([{ key: 'released', seq: 1 }])),
    parking,
  );
  await fixAll(world);
  await publish(
    world,
    async () => {
      const done = await world.command('dead-letters', 'release', '--key', 'released', '--yes');
      expect(done, done.stdout).toMatchObject({ code: 0 });
    },
    parking,
  );

  const range = ['--dead-letters', '--by-writing-order'];
  const { plan, replay } = resultOf(await world.command('replay', ...range, ...doIt));
  expect(plan).toMatchObject({ events: 3, leftOut: { 'dead-letter': 2, replaced: 1 } });
  const records = await recordsOf(replay.id, world.topic);
  expect(records.map((record) => itemOf(record))).toMatchObject([
    { key: 'resubmitted', seq: 0 },
    { key: 'released', seq: 0 },
    { key: 'released', seq: 1 },
  ]);
  expect((await verified(world)).findings).toEqual({});
});

it('positions name events, and a pause holds a replay up', { timeout: 60_000 }, async () => {
  await using world = await World.on(postgres.url, 1);
  const ids = await publish(world, () => world.write([0, 1, 2, 3].map((seq) => ({ key: 'k', seq }))));
  const [, second, , fourth] = (await readCommitted({ topics: [world.topic] })).filter((record) =>
    idOf(record),
  );
  const range = ['--from-position', second!.headers.position!, '--until-position', fourth!.headers.position!];
  const paused = await world.command('pause', '--topic', world.topic, '--reason', 'a test');
  expect(paused, paused.stderr).toMatchObject({ code: 0 });
  const waiting = world.command('replay', ...range, ...doIt);
  const looks = `select count(*)::int as n from pg_stat_activity
    where datname = current_database() and query like '%ledger.read_control%' and pid <> pg_backend_pid()`;
  await expect.poll(async () => (await world.pool.query(looks)).rows[0].n).toBeGreaterThan(0);
  expect(await recordsOf(await latestReplay(world), world.topic)).toEqual([]);
  await world.command('resume', '--topic', world.topic);
  const done = await waiting;
  expect(done.stderr).toContain(`waiting: topic ${world.topic} is paused`);
  expect(done.code).toBe(0);
  expectOnce(await recordsOf(resultOf(done).replay.id, world.topic), ids.slice(1, 3));

  // What is gone of a range makes the exit code 1, named or not.
  await world.pool.query('delete from outbox.event where id = $1', [ids[1]]);
  const named = await world.command('replay', ...range, ...doIt);
  expect(named.code).toBe(1);
  expect(resultOf(named)).toMatchObject({
    outcome: 'done',
    plan: { events: 1, facts: { absent: { events: 1, isExact: true } } },
  });
  await world.pool.query(
    `select outbox.note_removal('outbox.event_default', now() - interval '1 day', 7, null, null)`,
  );
  const [long, short] = [
    await world.command('replay', '--from', '7d', '--dry-run'),
    await world.command('replay', '--from', '1h', '--dry-run'),
  ];
  expect(long).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('gone: up to 7 events of the range'),
  });
  expect(short.stdout).not.toContain('gone');
  expect(short.code).toBe(0);
});

it('a compacted topic takes a replay only where somebody accepts that, tombstones too', {
  timeout: 60_000,
}, async () => {
  await using world = await World.on(postgres.url, 1);
  const tombstone = () =>
    world.pool.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('item', 'k', 'test.ItemMoved', null)`,
    );
  const env = { OUTBOX_RELAY_TOPICS_TOMBSTONES: world.topic };
  await publish(world, () => tombstone().then(() => world.write([{ key: 'l', seq: 0 }])), {
    TOPICS_TOMBSTONES: world.topic,
  });
  const target = await createTopic('compacted');
  const setPolicy = (value: string) =>
    withAdmin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: ConfigResourceTypes.TOPIC,
            name: target,
            configEntries: [{ name: 'cleanup.policy', value }],
          },
        ],
      }),
    );
  await setPolicy('compact');
  const range = ['replay', '--all', '--to-topic', target, ...doIt];
  const refused = resultOf(await world.commandWith(env, ...range));
  expect(refused).toMatchObject({
    outcome: 'refused',
    plan: { doubts: [expect.stringContaining('compacted')] },
  });
  const done = resultOf(await world.commandWith(env, ...range, '--into-compacted'));
  expect(done).toMatchObject({ outcome: 'done', replay: { published: 2 } });
  // The reader of these tests marks the end of a topic with a record without a key.
  await setPolicy('delete');
  const records = await recordsOf(done.replay.id, target);
  expect(records.map(({ value }) => value === null)).toEqual([true, false]);
});

it('a role that sees a part of the table publishes nothing', { timeout: 60_000 }, async () => {
  await using world = await World.on(postgres.url, 1);
  await publish(world, () => world.write([{ key: 'k', seq: 0 }]));
  const role = unique('relay').replaceAll('-', '_');
  await world.pool.query(
    `create role ${role} login replication superuser password 'sesame'; alter role ${role} nosuperuser;
     grant usage on schema outbox to ${role}; grant select on all tables in schema outbox to ${role};
     grant execute on all functions in schema outbox to ${role}; grant pg_read_all_stats to ${role};
     alter table outbox.event enable row level security;
     create policy partly on outbox.event to ${role} using (aggregateid = 'other')`,
  );
  const url = new URL(world.database.url);
  [url.username, url.password] = [role, 'sesame'];
  const hidden = await world.commandWith({ DATABASE_URL: url.href }, 'replay', '--all', ...doIt);
  expect(hidden).toMatchObject({ code: 77, stderr: expect.stringContaining('POSTGRES_ROWS_HIDDEN') });
  expect((await world.pool.query('select from outbox.replay')).rows).toEqual([]);
  await world.pool.query(`drop policy partly on outbox.event; drop owned by ${role}; drop role ${role}`);
});
