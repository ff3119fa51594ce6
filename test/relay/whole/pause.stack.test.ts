/** Pause, resume and rate limit on real servers, as a person uses them: with the commands. */
import { expect, test } from 'vitest';
import { itemSchema } from '../../../harness/item-schema.ts';
import { type LogLine, RelayProcess, type Settings, settingsEnv } from '../../../harness/relay-process.ts';
import { createTopic, type ReadRecord, readCommitted, readTopics } from '../../support/kafka.ts';
import { registerSchema } from '../../support/registry.ts';
import { expectOnceInOrder } from '../once-in-order.ts';
import { idOf, World } from '../world.ts';

const by = ['--by', 'ada', '--reason', 'upgrade'];

/** Two topics, named by the rows. */
async function twoTopics(world: World): Promise<{ settings: Settings; other: string }> {
  const other = await createTopic('world', 1);
  await registerSchema(`${other}-test.ItemMoved`, itemSchema);
  return {
    settings: { TOPICS_TEMPLATE: '{aggregatetype}', TOPICS_ALLOW: `${world.topic},${other}` },
    other,
  };
}

/** One transaction for each of the topics. @param seq as SQL; a text is refused. @returns ids in their order */
async function write(world: World, topics: readonly string[], key = 'k', seq = '1'): Promise<string[]> {
  const ids: string[] = [];
  for (const topic of topics) {
    const { rows } = await world.pool.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload)
       values ($1, $2, 'test.ItemMoved', json_build_object('key', $2::text, 'seq', ${seq})) returning id`,
      [topic, key],
    );
    ids.push(rows[0]!.id);
  }
  return ids;
}

async function readUntil(topic: string, ids: readonly string[]): Promise<string[]> {
  const isAll = (records: readonly ReadRecord[]) =>
    ids.every((id) => records.some((one) => idOf(one) === id));
  await readTopics({ topics: [topic], timeoutMs: 60_000, until: isAll });
  return (await readCommitted({ topics: [topic] })).map(idOf);
}

const isStanding = (relay: RelayProcess) =>
  expect.poll(() => relay.metric('outbox_relay_standing_still')).toBe(1);

test('a paused relay publishes nothing, keeps the slot, stays ready, and goes on where it stood, across a takeover', async () => {
  await using world = await World.create();
  const first = world.startRelay();
  await first.streaming();
  const before = await world.write([{ key: 'a', seq: 0 }]);
  await world.read(before);

  const paused = await world.command('pause', ...by, '--json');
  expect([paused.code, JSON.parse(paused.stdout)]).toMatchObject([0, { outcome: 'obeyed' }]);
  const held = await world.write([{ key: 'a', seq: 1 }]);
  await isStanding(first);
  expect((await world.read(before)).map(idOf)).toEqual(before);
  expect(await first.ready()).toMatchObject({
    status: 200,
    state: 'streaming',
    reason: 'paused by ada: upgrade',
    paused: [{ scope: 'relay', topic: null, mode: 'hold', person: 'ada' }],
  });
  expect(await first.metric('outbox_relay_paused', 'scope="relay"')).toBe(1);
  const slots = 'select active from pg_replication_slots where slot_name = $1';
  expect((await world.pool.query(slots, [world.slot])).rows).toEqual([{ active: true }]);

  // A relay that takes over obeys from its first event on.
  await first.stop();
  const second = world.startRelay();
  await second.streaming();
  await isStanding(second);
  expect((await world.read(before)).map(idOf)).toEqual(before);

  const resumed = await world.command('resume', '--by', 'bob', '--json');
  expect([resumed.code, JSON.parse(resumed.stdout)]).toMatchObject([0, { outcome: 'obeyed' }]);
  expectOnceInOrder(await world.read([...before, ...held]), [...before, ...held]);
  expect(await world.command('resume')).toMatchObject({ code: 0, stdout: expect.stringContaining('paused') });
  const trail = await world.pool.query('select action, person, note from outbox.trail order by acted_at');
  expect(trail.rows).toEqual([
    { action: 'pause', person: 'ada', note: 'upgrade' },
    { action: 'resume', person: 'bob', note: null },
  ]);
});

test('a pause with an end is over by itself, and the trail says so', async () => {
  await using world = await World.create();
  const relay = world.startRelay();
  await relay.streaming();
  expect((await world.command('pause', ...by, '--for', '3s')).code).toBe(0);
  const ids = await world.write([{ key: 'a', seq: 0 }]);
  expect((await world.read(ids)).map(idOf)).toEqual(ids);
  await expect
    .poll(
      async () => (await world.pool.query('select action, person from outbox.trail order by acted_at')).rows,
    )
    .toEqual([
      { action: 'pause', person: 'ada' },
      { action: 'resume', person: 'outbox-relay' },
    ]);
});

test('a held topic holds the whole stream at its first event, and what came before it is published', async () => {
  await using world = await World.create(1);
  const { settings, other } = await twoTopics(world);
  const relay = world.startRelay(settings);
  await relay.streaming();
  const env = { OUTBOX_RELAY_TOPICS_ALLOW: `${world.topic},${other}` };
  expect((await world.commandWith(env, 'pause', '--topic', 'misspelt', ...by)).code).toBe(64);
  const known = await world.commandWith(env, 'pause', '--topic', other, ...by);
  expect(known).toMatchObject({ code: 0, stdout: expect.not.stringContaining('Kafka shows no topic') });
  const any = { OUTBOX_RELAY_TOPICS_ALLOW: `${world.topic}*` };
  const mistyped = await world.commandWith(any, 'pause', '--topic', `${world.topic}x`, ...by);
  expect(mistyped).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`Kafka shows no topic ${world.topic}x`),
  });
  const [first, held, behind] = await write(world, [world.topic, other, world.topic]);
  expect(await readUntil(world.topic, [first!])).toEqual([first]);
  await isStanding(relay);
  expect(await relay.metric('outbox_relay_paused', 'scope="hold"')).toBe(1);
  expect((await world.commandWith(env, 'resume', '--all')).code).toBe(0);
  expect(await readUntil(other, [held!])).toEqual([held]);
  expect(await readUntil(world.topic, [behind!])).toEqual([first, behind]);
});

test('events of a topic that is set aside wait while others flow, and are published in order, also if relays die', async () => {
  await using world = await World.create(1);
  const { settings, other } = await twoTopics(world);
  const env = { OUTBOX_RELAY_TOPICS_ALLOW: `${world.topic},${other}` };
  let relay = world.startRelay(settings);
  await relay.streaming();
  expect((await world.commandWith(env, 'pause', '--topic', other, '--set-aside', ...by)).code).toBe(0);
  const aside: string[] = [];
  const flowing: string[] = [];
  const writeBoth = async () => {
    for (const key of ['a', 'b', 'a']) {
      const [one, two] = await write(world, [other, world.topic], key);
      aside.push(one!);
      flowing.push(two!);
    }
  };
  await writeBoth();
  expect(await readUntil(world.topic, flowing)).toEqual(flowing);
  expect(await readCommitted({ topics: [other] })).toEqual([]);
  const letters = 'select event_id as id, status, code from outbox.dead_letter order by commit_lsn, ordinal';
  expect((await world.pool.query(letters)).rows).toEqual([
    { id: aside[0], status: 'parked', code: 'TOPIC_PAUSED' },
    { id: aside[1], status: 'parked', code: 'TOPIC_PAUSED' },
    { id: aside[2], status: 'parked', code: 'KEY_PARKED' },
  ]);
  // A person cannot release a key of it past the pause.
  const person = ['--key', 'a', '--yes', '--json'];
  const released = await world.commandWith(env, 'dead-letters', 'release', '--topic', other, ...person);
  expect(JSON.parse(released.stdout)).toMatchObject([{ key: 'a', outcome: 'set-aside', published: 0 }]);
  expect((await world.pool.query('select outcome from outbox.key_release')).rows).toEqual([
    { outcome: 'set-aside' },
  ]);
  expect(await readCommitted({ topics: [other] })).toEqual([]);

  // Dies after the decisions of a batch are stored and before it is committed.
  await relay.kill();
  relay = world.startRelay({ ...settings, FAILPOINT: 'DEAD_LETTERS_STORED' });
  await writeBoth();
  await relay.exited;
  // Dies while it releases.
  expect((await world.commandWith(env, 'resume', '--topic', other, '--wait', '0')).code).toBe(1);
  relay = world.startRelay({ ...settings, FAILPOINT: 'DEAD_LETTERS_STORED' });
  await relay.exited;
  relay = world.startRelay(settings);
  await relay.streaming();
  await writeBoth();
  const published = await readUntil(other, aside);
  expect([...published].sort()).toEqual([...aside].sort());
  const ofKey = (ids: readonly string[], rest: number[]) => ids.filter((_, n) => rest.includes(n % 3));
  const wanted = [ofKey(aside, [0, 2]), ofKey(aside, [1])];
  for (const ids of wanted) expect(published.filter((id) => ids.includes(id))).toEqual(ids);
  expect(await readUntil(world.topic, flowing)).toEqual(flowing);
  await expect.poll(async () => (await world.pool.query('select * from outbox.pause')).rows).toEqual([]);
  const waiting = `select from outbox.dead_letter where status in ('open', 'parked')`;
  expect((await world.pool.query(waiting)).rows).toEqual([]);
});

test('a refused event of a topic that is set aside keeps its place, and a release passes what is refused again', async () => {
  await using world = await World.create(1);
  const { settings, other } = await twoTopics(world);
  const env = { OUTBOX_RELAY_TOPICS_ALLOW: `${world.topic},${other}` };
  const run = (...args: string[]) => world.commandWith(env, ...args);
  // The policy is dead-letter, under which later events of a key go on.
  let relay = world.startRelay(settings);
  await relay.streaming();
  expect((await run('pause', '--topic', other, '--set-aside', ...by)).code).toBe(0);
  const [repaired] = await write(world, [other], 'a', `'x'`);
  const [behind] = await write(world, [other], 'a');
  const [discarded] = await write(world, [other], 'b', `'x'`);
  const [left] = await write(world, [other], 'b', `'y'`);
  const [passing] = await write(world, [other], 'b');
  const [flowing] = await write(world, [world.topic], 'a');
  expect(await readUntil(world.topic, [flowing!])).toEqual([flowing]);

  const resubmitted = await run('dead-letters', 'resubmit', repaired!, '--yes');
  expect(resubmitted).toMatchObject({ code: 1, stdout: expect.stringContaining('parked') });
  const seq = (value: number) => JSON.stringify([{ op: 'replace', path: '/seq', value }]);
  const fixed = await run('dead-letters', 'fix', repaired!, '--patch', seq(1));
  expect(fixed).toMatchObject({ code: 0, stdout: expect.stringContaining('when its topic is resumed') });
  expect((await run('dead-letters', 'discard', discarded!, '--yes', ...by)).code).toBe(0);

  // Dies after the outcome of the release is stored and before anything of it is committed.
  await relay.kill();
  expect((await run('resume', '--topic', other, '--wait', '0')).code).toBe(1);
  relay = world.startRelay({ ...settings, FAILPOINT: 'DEAD_LETTERS_STORED' });
  await relay.exited;
  world.startRelay(settings);
  const [after] = await write(world, [other], 'b');
  const published = await readUntil(other, [behind!, after!]);
  const ofKeys = (ids: readonly unknown[]) => published.filter((id) => ids.includes(id));
  expect(ofKeys([repaired, behind])).toEqual([repaired, behind]);
  expect(ofKeys([discarded, left, passing, after])).toEqual([passing, after]);
  const letters = `select event_id as id, code from outbox.dead_letter where status in ('open', 'parked')`;
  const waits = async () => [
    (await world.pool.query(letters)).rows,
    (await world.pool.query('select from outbox.parked_key where released_lsn is null')).rowCount,
    (await world.pool.query('select from outbox.pause')).rowCount,
  ];
  await expect.poll(waits).toEqual([[{ id: left, code: 'PAYLOAD_INVALID' }], 0, 0]);
});

test('a rate limit holds events up, says so, and is changed while the relay runs', async () => {
  await using world = await World.create(1);
  const relay = world.startRelay({ PUBLISH_MAX_EVENTS_PER_SECOND: 1 });
  await relay.streaming();
  expect(await relay.metric('outbox_relay_rate_limit_events_per_second')).toBe(1);
  const ids: string[] = [];
  for (let seq = 0; seq < 30; seq++) ids.push(...(await world.write([{ key: 'k', seq }])));
  await expect.poll(() => relay.metric('outbox_relay_rate_limited')).toBe(1);
  expect((await readCommitted({ topics: [world.topic] })).length).toBeLessThan(20);
  const limited = await world.command('rate-limit', '--events', 'none', ...by, '--json');
  expect([limited.code, JSON.parse(limited.stdout)]).toMatchObject([
    0,
    { outcome: 'obeyed', limits: { eventsPerSecond: 0 } },
  ]);
  expectOnceInOrder(await world.read(ids), ids);
  expect(relay.lines.filter(({ msg }) => msg === 'the rate limit holds events up')).toHaveLength(1);
});

test('recover obeys too: it waits while everything is paused, and sets aside what the stream would', async () => {
  await using world = await World.create(1);
  const { settings, other } = await twoTopics(world);
  const env = { ...settingsEnv(settings) };
  const relay = world.startRelay(settings);
  await relay.streaming();
  await relay.stop();
  const [published, aside] = await write(world, [world.topic, other]);
  await world.pool.query('select pg_drop_replication_slot($1)', [world.slot]);
  expect((await world.commandWith(env, 'pause', ...by)).code).toBe(0);
  expect((await world.commandWith(env, 'pause', '--topic', other, '--set-aside', ...by)).code).toBe(0);
  // It shows on every machine who recovers, how far that is, and what it obeys.
  const said = `select state, facts->>'reason' as reason, control_revision as revision from outbox.relay`;
  const isSaid = (...rows: object[]) =>
    expect.poll(async () => (await world.pool.query(said)).rows).toEqual(rows);
  const reason = expect.stringMatching(/^\S+ recovers by hand: publishing, 0 of 2$/);
  const atGate = { state: 'recovering', reason, revision: '2' };
  const interrupted = new RelayProcess({ env: { ...world.env, ...env }, command: 'recover' });
  await isSaid(atGate);
  const shown = await world.commandWith(env, 'status');
  expect(shown.stdout).toMatch(/Not streaming: \S+ recovers by hand: publishing, 0 of 2\./);
  expect(await interrupted.stop()).toEqual({ code: 1, signal: null });
  expect(interrupted.strays[0]).toBe('result       interrupted while publishing missing events: 0 of 2');
  await isSaid();
  const slots = 'select from pg_replication_slots where slot_name = $1';
  expect((await world.pool.query(slots, [world.slot])).rowCount).toBe(0);
  const recovering = world.commandWith(env, 'recover', '--json');
  await isSaid(atGate);
  expect((await world.commandWith(env, 'resume')).code).toBe(0);
  expect(await recovering).toMatchObject({ code: 0 });
  const trail = `select action from outbox.trail where action = 'recover'`;
  expect((await world.pool.query(trail)).rowCount).toBe(2);
  await isSaid();
  expect((await readCommitted({ topics: [world.topic] })).map(idOf)).toEqual([published]);
  const letters = `select event_id as id, status, code, first_seen > (
    select acted_at from outbox.trail where action = 'resume') as waited from outbox.dead_letter`;
  expect((await world.pool.query(letters)).rows).toEqual([
    { id: aside, status: 'parked', code: 'TOPIC_PAUSED', waited: true },
  ]);
  world.startRelay(settings);
  expect((await world.commandWith(env, 'resume', '--topic', other)).code).toBe(0);
  expect(await readUntil(other, [aside!])).toEqual([aside]);
});

test('a relay that cannot announce itself goes on, and says so once', async () => {
  await using world = await World.create(1);
  await world.pool.query('drop table outbox.relay');
  const relay = world.startRelay();
  const failed = ({ duty }: LogLine) => duty === 'announce';
  await relay.line(failed);
  await relay.streaming();
  const ids = await world.write([{ key: 'a', seq: 0 }]);
  expect((await world.read(ids)).map(idOf)).toEqual(ids);
  expect(relay.lines.filter(failed)).toHaveLength(1);
  expect(await relay.stop()).toMatchObject({ code: 0 });
});

test('relays announce themselves, and one that is asked to end withdraws', async () => {
  await using world = await World.create(1);
  const first = world.startRelay();
  await first.streaming();
  const second = world.startRelay();
  await second.line(({ msg }) => /^standby: another relay/.test(msg));
  const states = async () =>
    (await world.pool.query('select state, http_address from outbox.relay order by state')).rows;
  const addresses = [second, first].map((relay) => relay.url.replace('http://', ''));
  await expect
    .poll(states)
    .toEqual(['standby', 'streaming'].map((state, n) => ({ state, http_address: addresses[n] })));
  const judged = async () => (await world.command('status', '--json')).code;
  await expect.poll(judged).toBe(0);
  await second.stop();
  expect(await states()).toHaveLength(1);
});
