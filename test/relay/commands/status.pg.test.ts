import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeStatus, readStatus } from '../../../relay/commands/status.ts';
import { describeBytes } from '../../../relay/operations/slot-health.ts';
import { createDatabase } from '../../support/database.ts';
import { runCli } from './cli.ts';
import { openRelayDatabase, type RelayDatabase } from './outbox.ts';

let relay: RelayDatabase;
let slot: string;
beforeAll(async () => {
  relay = await openRelayDatabase();
  slot = relay.env.OUTBOX_RELAY_SLOT ?? '';
});
afterAll(() => relay[Symbol.asyncDispose]());

const read = () => readStatus(relay.pool, relay.config());

test('before the first start there is no slot and no progress', async () => {
  const status = await read();
  expect(status).toEqual({
    slotName: slot,
    progressTopic: expect.stringMatching(/^progress/),
    slot: { state: 'absent' },
    progress: null,
    deadLetters: [],
    parked: { keys: 0, events: 0 },
  });
  expect(describeStatus(status)).toContain('absent: no relay has started');
});

test('a slot that nobody streams from shows how far behind it is', async () => {
  await relay.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
  const before = await read();
  await relay.pool.query('select pg_logical_emit_message(true, $1, repeat($2, 100000))', ['test', 'x']);
  const after = await read();
  expect(after.slot).toMatchObject({ state: 'inactive', activePid: null, walStatus: 'reserved' });
  const lagBytes = (status: typeof before) => ('lagBytes' in status.slot ? status.slot.lagBytes : Number.NaN);
  expect(lagBytes(after) - lagBytes(before)).toBeGreaterThan(100_000);
  expect(describeStatus(after)).toContain('inactive: no relay streams');
});

test('progress and dead letters are shown with their age, as the relay’s own role may see them', async () => {
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
  const { code, stdout } = await runCli(['status', '--json'], { ...relay.env, KAFKA_BROKERS: '' });
  expect(code).toBe(0);
  const status = JSON.parse(stdout);
  expect(status.progress).toMatchObject({
    endLsn: '16/B374D848',
    eventCount: 42,
    instance: 'relay-1',
    isPartial: false,
  });
  expect(status.progress.ageSeconds).toBeGreaterThanOrEqual(90);
  expect(status.deadLetters).toEqual([
    { code: 'PAYLOAD_INVALID', open: 3, oldestAgeSeconds: expect.closeTo(10_800, -2) },
    { code: 'SCHEMA_MISSING', open: 1, oldestAgeSeconds: expect.closeTo(10_800, -2) },
  ]);
  const shown = (await runCli(['status'], relay.env)).stdout;
  expect(shown).toMatch(/^progress +16\/B374D848 +42 events, by relay-1, \d+ s ago$/m);
  expect(shown).toMatch(/^dead letters +4 +open$/m);
  expect(shown).toMatch(/^ +3 +PAYLOAD_INVALID, oldest 3 h ago$/m);
});

test('a slot that is gone after a relay streamed from it is told, with what to do', async () => {
  await relay.pool.query('select pg_drop_replication_slot($1)', [slot]);
  const status = await read();
  expect(status.slot).toMatchObject({ state: 'unusable', code: 'SLOT_MISSING' });
  expect(describeStatus(status)).toContain('outbox-relay recover');
});

test('a database without the outbox is told to migrate', async () => {
  await using empty = await createDatabase();
  const { code, stderr } = await runCli(['status'], { DATABASE_URL: empty.url });
  expect(code).toBe(78);
  expect(stderr).toMatch(/^error OUTBOX_TABLE_INVALID: .*\n.*outbox-relay migrate/);
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [5 * 1024 ** 3, '5.0 GiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(describeBytes(bytes)).toBe(text);
});
