import { afterAll, beforeAll, expect, test } from 'vitest';
import { announce, forgetGone, withdraw } from '../../../relay/ledger/relays.ts';
import { noControl } from '../../../relay/model/control.ts';
import { readStatus, type Status, watchStatus } from '../../../relay/operations/status.ts';
import { createDatabase } from '../../support/database.ts';
import { unique } from '../../support/unique.ts';
import { runCli } from '../commands/cli.ts';
import { openRelayDatabase, type RelayDatabase } from '../commands/outbox.ts';
import { relayOf } from './statuses.ts';

let relay: RelayDatabase;
beforeAll(async () => {
  relay = await openRelayDatabase();
});
afterAll(() => relay[Symbol.asyncDispose]());

/** Each test has a slot of its own. */
const settings = () => ({ OUTBOX_RELAY_SLOT: unique('slot') });

async function withSlot<T>(slot: string, work: () => Promise<T>): Promise<T> {
  await relay.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
  try {
    return await work();
  } finally {
    await relay.pool.query('select pg_drop_replication_slot($1)', [slot]);
  }
}

const lagBytes = ({ slot }: Status) => ('lagBytes' in slot ? slot.lagBytes : Number.NaN);

test('before the first start there is no slot and no progress', async () => {
  const config = relay.config(settings());
  expect(await readStatus(config)).toEqual({
    verdict: expect.objectContaining({ name: 'never-started', isGood: false, concerns: [] }),
    at: expect.stringMatching(/^\d{4}-.*Z$/),
    slotName: config.slot.name,
    progressTopic: config.kafka.progressTopic,
    slot: { state: 'absent' },
    otherSlots: expect.any(Array),
    progress: null,
    deadLetters: [],
    dealtWith: null,
    parked: { keys: 0, events: 0 },
    relays: [],
    control: noControl,
    limits: { eventsPerSecond: 0, bytesPerSecond: 0 },
    setAside: [],
    audit: null,
    recovery: null,
    cleanup: null,
  });
});

test('where no relay ever started on the slot, the others of the database are named, since one may be meant', async () => {
  const config = relay.config(settings());
  const [other, own] = [unique('other'), config.slot.name];
  const progress =
    'insert into outbox.progress (slot, initialised_at, published_at) values ($1, now(), now())';
  await relay.pool.query(progress, [other]);
  const { otherSlots, verdict } = await readStatus(config);
  expect(otherSlots).toContain(other);
  expect(verdict.text).toBe(`Not streaming: no relay has started on slot ${own} yet.`);
  expect(verdict.advice).toMatch(
    RegExp(`have started on slots? .*${other}.*: if you mean .* If you mean slot ${own}, run`),
  );
  await relay.pool.query(progress, [own]);
  expect((await readStatus(config)).otherSlots).toEqual([]);
});

test('a slot that no relay is connected to shows how far behind it is', async () => {
  const config = relay.config(settings());
  await withSlot(config.slot.name, async () => {
    const before = await readStatus(config);
    await relay.pool.query('select pg_logical_emit_message(true, $1, repeat($2, 100000))', ['test', 'x']);
    const after = await readStatus(config);
    expect(after.slot).toMatchObject({ state: 'inactive', activePid: null, walStatus: 'reserved' });
    expect(lagBytes(after) - lagBytes(before)).toBeGreaterThan(100_000);
  });
});

test('watching reads again, and ends its connections when the reader stops', async () => {
  const config = relay.config(settings());
  const states: string[] = [];
  const watched = watchStatus(config, 1);
  for await (const { slot } of watched) {
    states.push(slot.state);
    if (states.length === 1)
      await relay.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [config.slot.name]);
    if (states.length === 2) break;
  }
  await relay.pool.query('select pg_drop_replication_slot($1)', [config.slot.name]);
  expect(states).toEqual(['absent', 'inactive']);
  expect(await watched.next()).toMatchObject({ done: true });
});

test('the relay’s own role sees progress and dead letters with their age, and needs no Kafka for it', async () => {
  const env = { ...relay.env, ...settings() };
  const slot = env.OUTBOX_RELAY_SLOT;
  await relay.pool.query(
    `insert into outbox.progress (slot, initialised_at, end_lsn, event_count, instance, published_at)
     values ($1, now(), '16/B374D848', 42, 'relay-1', now() - interval '90 seconds')`,
    [slot],
  );
  await relay.pool.query(
    `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message, status, first_seen)
     select $1, '0/1', n, case when n < 3 then 'PAYLOAD_INVALID' else 'SCHEMA_MISSING' end, 'm',
            case when n = 4 then 'discarded' else 'open' end, now() - make_interval(hours => 3)
       from generate_series(0, 4) n`,
    [slot],
  );
  const { code, stdout } = await runCli(['status', '--json'], { ...env, KAFKA_BROKERS: '' });
  expect(code).toBe(1);
  const status: Status = JSON.parse(stdout);
  expect(status.verdict).toMatchObject({ name: 'slot-lost', concerns: [{ name: 'dead-letters' }] });
  expect(status.progress).toMatchObject({
    endLsn: '16/B374D848',
    eventCount: 42,
    instance: 'relay-1',
    isPartial: false,
  });
  expect(status.progress?.ageSeconds).toBeGreaterThanOrEqual(90);
  expect(status.deadLetters).toEqual([
    { code: 'PAYLOAD_INVALID', open: 3, oldestAgeSeconds: expect.closeTo(10_800, -2) },
    { code: 'SCHEMA_MISSING', open: 1, oldestAgeSeconds: expect.closeTo(10_800, -2) },
  ]);
});

test('a slot that is gone after a relay used it is unusable, and the hint names recover', async () => {
  const config = relay.config(settings());
  await relay.pool.query('insert into outbox.progress (slot, initialised_at) values ($1, now())', [
    config.slot.name,
  ]);
  expect((await readStatus(config)).slot).toMatchObject({
    state: 'unusable',
    code: 'SLOT_MISSING',
    hint: expect.stringContaining('outbox-relay recover'),
  });
});

test('a database without the outbox is told to migrate', async () => {
  await using empty = await createDatabase();
  const { code, stderr } = await runCli(['status'], { DATABASE_URL: empty.url });
  expect(code).toBe(78);
  expect(stderr).toMatch(/^error OUTBOX_TABLE_INVALID: .*\n.*outbox-relay migrate/);
});

test('relays that announced themselves are shown, those that stream first, and those that are gone last', async () => {
  const config = relay.config(settings());
  const said = {
    slot: config.slot.name,
    host: 'h',
    version: '1',
    startedMs: 0,
    stateSinceMs: 0,
    everySeconds: 3,
    httpAddress: 'h:1',
    revision: 7,
    facts: relayOf().facts,
  };
  await announce(relay.pool, { ...said, instance: 'a', state: 'standby' });
  await announce(relay.pool, { ...said, instance: 'b', state: 'streaming' });
  await announce(relay.pool, { ...said, instance: 'c', state: 'streaming' });
  await announce(relay.pool, { ...said, instance: 'd', state: 'streaming' });
  const unseen = (instance: string, seconds: number) =>
    relay.pool.query(
      `update outbox.relay set seen_at = now() - make_interval(secs => $3) where slot = $1 and instance = $2`,
      [config.slot.name, instance, seconds],
    );
  await unseen('b', 20);
  await unseen('c', 90_000);
  const known = async () =>
    (await readStatus(config)).relays.map(({ instance, state, isGone, revision }) => [
      instance,
      state,
      isGone,
      revision,
    ]);
  expect(await known()).toEqual([
    ['d', 'streaming', false, 7],
    ['a', 'standby', false, 7],
    ['b', 'streaming', true, 7],
    ['c', 'streaming', true, 7],
  ]);
  await forgetGone(relay.pool, config.slot.name);
  await withdraw(relay.pool, config.slot.name, 'd');
  expect((await known()).map(([instance]) => instance)).toEqual(['a', 'b']);
});
