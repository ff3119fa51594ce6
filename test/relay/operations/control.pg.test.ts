/** What people tell a relay, as it is stored, with the rights that each role has. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { endExpiredPauses, readControl, releasePaused } from '../../../relay/ledger/control.ts';
import { announce } from '../../../relay/ledger/relays.ts';
import { limitRate, pauseRelay, resumeRelay } from '../../../relay/operations/control.ts';
import { type Login, makeOperator } from '../../support/roles.ts';
import { unique } from '../../support/unique.ts';
import { runCli } from '../commands/cli.ts';
import { openRelayDatabase, type RelayDatabase } from '../commands/outbox.ts';
import { relayOf } from './statuses.ts';

let relay: RelayDatabase;
let operator: Login;
beforeAll(async () => {
  relay = await openRelayDatabase();
  operator = await makeOperator(relay);
});
afterAll(async () => {
  await operator?.drop();
  await relay[Symbol.asyncDispose]();
});

const actor = { person: 'ada', reason: 'upgrade' };
const settings = (more: Record<string, string> = {}) =>
  relay.config({
    OUTBOX_RELAY_SLOT: unique('slot').replaceAll('-', '_'),
    OUTBOX_RELAY_TOPICS_ALLOW: 'orders,items',
    ...more,
  });

/** With the rights of an operator and no others. */
function asOperator(config: ReturnType<typeof settings>) {
  return { ...config, database: { ...config.database, url: operator.url } };
}

test('what is said is stored whole, said again it changes, and taken back it is gone', async () => {
  const config = asOperator(settings());
  const telling = { config, actor, waitMs: 0, isDryRun: false };
  const whole = await pauseRelay({ ...telling, topic: undefined, mode: 'hold', forSeconds: 3_600 });
  expect(whole).toMatchObject({ outcome: 'nobody', relays: [], control: { revision: 1 } });
  await pauseRelay({ ...telling, topic: 'orders', mode: 'set-aside', forSeconds: undefined });
  await limitRate({ ...telling, eventsPerSecond: 5, bytesPerSecond: undefined });
  const { control, limits } = await limitRate({ ...telling, eventsPerSecond: undefined, bytesPerSecond: 0 });
  expect(control.pauses).toMatchObject([
    { topic: null, mode: 'hold', person: 'ada', reason: 'upgrade', isOver: false, isReleasing: false },
    { topic: 'orders', mode: 'set-aside', until: null },
  ]);
  expect([control.limits, limits]).toEqual([
    { eventsPerSecond: 5, bytesPerSecond: 0 },
    { eventsPerSecond: 5, bytesPerSecond: 0 },
  ]);
  const again = { person: 'bob', reason: 'longer' };
  const { control: later } = await pauseRelay({
    ...telling,
    actor: again,
    topic: undefined,
    mode: 'hold',
    forSeconds: undefined,
  });
  expect(later.pauses[0]).toMatchObject({ person: 'bob', reason: 'longer', until: null });
  await resumeRelay({ ...telling, what: 'all' });
  for (const what of ['all', 'everything'] as const)
    expect(await resumeRelay({ ...telling, what })).toMatchObject({ outcome: 'unchanged' });
  await expect(resumeRelay({ ...telling, what: { topic: 'items' } })).rejects.toThrow(
    'topic items is not paused',
  );
  expect((await readControl(relay.pool, config.slot.name)).pauses).toMatchObject([
    { topic: 'orders', isReleasing: true },
  ]);
  expect(await releasePaused(relay.pool, config.slot.name, 'orders')).toBe(0);
  expect((await readControl(relay.pool, config.slot.name)).pauses).toEqual([]);
  const { rows } = await relay.pool.query(
    'select action, target, person from outbox.trail where slot = $1 order by acted_at',
    [config.slot.name],
  );
  expect(rows.map(({ action, target, person }) => `${action} ${target ?? ''} ${person}`)).toEqual([
    'pause  ada',
    'pause orders ada',
    'rate-limit  ada',
    'rate-limit  ada',
    'pause  bob',
    'resume  ada',
    'resume orders ada',
  ]);
});

test('a pause that loses its end says so, and so does one whose topic nobody could ask for', async () => {
  const config = asOperator(settings());
  const telling = { config, actor, waitMs: 0, isDryRun: false, topic: undefined, mode: 'hold' } as const;
  const first = await pauseRelay({ ...telling, forSeconds: 1_200 });
  expect(first).toMatchObject({ droppedEnd: null, unaskedTopic: null });
  expect(await pauseRelay({ ...telling, forSeconds: 60 })).toMatchObject({ droppedEnd: null });
  // No Kafka listens there.
  const away = { ...config, kafka: { ...config.kafka, brokers: ['127.0.0.1:1'] } };
  const topic = { ...telling, config: away, topic: 'orders', forSeconds: undefined };
  expect(await pauseRelay(topic)).toMatchObject({
    absentTopic: null,
    unaskedTopic: 'orders',
    droppedEnd: null,
  });
  const env = {
    ...relay.env,
    DATABASE_URL: config.database.url,
    OUTBOX_RELAY_SLOT: config.slot.name,
    OUTBOX_RELAY_TOPICS_ALLOW: 'orders,items',
    KAFKA_BROKERS: '127.0.0.1:1',
  };
  const cli = (...args: string[]) => runCli(args, env);
  expect(await cli('pause', '--reason', 'twice')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/this pause had an end before, .*Z, and has none now/),
  });
  expect(await cli('pause', '--topic', 'items', '--reason', 'x')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Kafka did not say whether topic items exists'),
  });
  expect((await cli('rate-limit')).stdout).toMatch(/no rate limit\n$/);
  expect(await cli('resume', '--all')).toMatchObject({ code: 0 });
  expect(await cli('resume', '--all')).toMatchObject({
    code: 0,
    stdout: 'nothing is paused or limited\nnothing was paused; nothing was changed\n',
  });
  expect(await cli('resume')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('the relay as a whole was not paused; nothing was changed'),
  });
  expect(await cli('resume', '--topic', 'items')).toMatchObject({ code: 64 });
  expect(await cli('dead-letters', 'release', '--all', '--dry-run')).toMatchObject({
    code: 0,
    stdout: 'no key is parked: there is nothing to release\n',
  });
  expect(await cli('dead-letters', 'release', '--all', '--yes')).toMatchObject({ code: 0 });
  expect(await cli('dead-letters', 'release', '--key', '42', '--dry-run')).toMatchObject({ code: 64 });
});

test('a dry run changes nothing, and a topic to which no event goes cannot be paused', async () => {
  const config = asOperator(settings());
  const telling = { config, actor, waitMs: 0, isDryRun: true };
  const dry = await pauseRelay({ ...telling, topic: 'orders', mode: 'hold', forSeconds: undefined });
  expect(dry).toMatchObject({ outcome: 'unchanged', control: { revision: 0, pauses: [] } });
  expect(() => pauseRelay({ ...telling, topic: 'ordres', mode: 'hold', forSeconds: undefined })).toThrow(
    'no event goes to topic ordres',
  );
});

test('a pause whose time is over counts no more, and is ended with an entry in the trail', async () => {
  const config = asOperator(settings());
  const slot = config.slot.name;
  for (const topic of [undefined, 'orders'])
    await pauseRelay({
      config,
      actor,
      waitMs: 0,
      isDryRun: false,
      topic,
      mode: topic === undefined ? 'hold' : 'set-aside',
      forSeconds: 60,
    });
  await relay.pool.query(`update outbox.pause set ends_at = now() - interval '1 s' where slot = $1`, [slot]);
  expect((await readControl(relay.pool, slot)).pauses.map(({ isOver }) => isOver)).toEqual([true, true]);
  await endExpiredPauses(relay.pool, slot);
  expect((await readControl(relay.pool, slot)).pauses).toMatchObject([
    { topic: 'orders', isReleasing: true },
  ]);
});

test('a relay that recovers may publish too, and has not confirmed anything', async () => {
  const config = asOperator(settings());
  await announce(relay.pool, {
    slot: config.slot.name,
    instance: 'a',
    host: 'h',
    version: '1',
    startedMs: 0,
    state: 'standby',
    stateSinceMs: 0,
    everySeconds: 3,
    httpAddress: 'h:1',
    revision: null,
    facts: { ...relayOf().facts, isRecovering: true },
  });
  const pausing = { config, actor, waitMs: 0, isDryRun: false, topic: undefined, forSeconds: undefined };
  expect(await pauseRelay({ ...pausing, mode: 'hold' })).toMatchObject({ outcome: 'waiting', relays: ['a'] });
});

test('it waits for every relay that may publish, and not for one that is gone or waits itself', async () => {
  const config = asOperator(settings());
  const say = (instance: string, state: 'streaming' | 'standby', revision: number | null) =>
    announce(relay.pool, {
      slot: config.slot.name,
      instance,
      host: 'h',
      version: '1',
      startedMs: 0,
      state,
      stateSinceMs: 0,
      everySeconds: 3,
      httpAddress: 'h:1',
      revision,
      facts: relayOf().facts,
    });
  const telling = { config, actor, waitMs: 0, isDryRun: false, topic: undefined, mode: 'hold' } as const;
  await say('b', 'standby', null);
  expect(await pauseRelay({ ...telling, forSeconds: undefined })).toMatchObject({ outcome: 'nobody' });
  await say('a', 'streaming', 1);
  expect(await pauseRelay({ ...telling, forSeconds: undefined })).toMatchObject({
    outcome: 'waiting',
    relays: ['a'],
  });
  await say('a', 'streaming', 3);
  expect(await pauseRelay({ ...telling, forSeconds: undefined })).toMatchObject({
    outcome: 'obeyed',
    relays: ['a'],
  });
  await relay.pool.query(`update outbox.relay set seen_at = now() - interval '1 min' where slot = $1`, [
    config.slot.name,
  ]);
  expect(await pauseRelay({ ...telling, forSeconds: undefined })).toMatchObject({ outcome: 'nobody' });
});

test.each([
  [['pause'], '--reason is required'],
  [['pause', '--reason', ' '], '--reason is required'],
  [['pause', '--set-aside', '--reason', 'x'], '--set-aside needs --topic'],
  [['pause', '--for', '0s', '--reason', 'x'], '--for must be at least 1s'],
  [['resume', '--all', '--topic', 'orders'], '--topic and --all exclude each other'],
  [['rate-limit', '--events', '0'], 'Expected a whole number from 1, none or default'],
  [['rate-limit', '--bytes', '1MB'], 'Expected a whole number from 1, none or default'],
])('%j is refused before anything is stored', async (args, message) => {
  const { code, stderr } = await runCli(args, relay.env);
  expect([code, stderr]).toEqual([64, expect.stringContaining(message)]);
});

test('the relay’s own role may not pause: who may deploy it is not who may stop it', async () => {
  const { code, stderr } = await runCli(['pause', '--reason', 'x'], relay.env);
  expect([code, stderr]).toEqual([77, expect.stringContaining('POSTGRES_UNAUTHORIZED')]);
});

test('a rate that a person has set is taken back, and the setting counts again', async () => {
  const config = asOperator(settings());
  const env = { ...relay.env, DATABASE_URL: config.database.url, OUTBOX_RELAY_SLOT: config.slot.name };
  const limit = async (...args: string[]) => {
    const { stdout } = await runCli(['rate-limit', '--json', ...args], env);
    return JSON.parse(stdout).control.limits;
  };
  expect(await limit('--events', '5', '--bytes', 'none')).toEqual({ eventsPerSecond: 5, bytesPerSecond: 0 });
  expect(await limit('--events', 'default')).toEqual({ eventsPerSecond: null, bytesPerSecond: 0 });
  expect(await limit('--bytes', 'default')).toEqual({ eventsPerSecond: null, bytesPerSecond: null });
});

test('what no function of the database records is in the trail all the same, with who and why', async () => {
  const config = asOperator(settings());
  const env = { ...relay.env, DATABASE_URL: config.database.url, OUTBOX_RELAY_SLOT: config.slot.name };
  const args = ['dead-letters', 'purge', '--older-than', '90d', '--yes', '--by', 'bob', '--reason', 'room'];
  expect(await runCli(args, env)).toMatchObject({ code: 0 });
  const trail = 'select action, person, note, session_role, details from outbox.trail where slot = $1';
  expect((await relay.pool.query(trail, [config.slot.name])).rows).toEqual([
    {
      action: 'purge',
      person: 'bob',
      note: 'room',
      session_role: operator.role,
      details: expect.objectContaining({ olderThanSeconds: 7_776_000 }),
    },
  ]);
});
