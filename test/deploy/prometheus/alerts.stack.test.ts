/**
 * Each alert on real servers: a real relay comes into the condition, a real Prometheus scrapes it and fires the alert, and
 * the alert clears when the condition is repaired as the runbook says. The rules are those of `deploy/`, with time running
 * 120 times faster, no condition that must hold for over 3 s, and borders that a test can reach.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { RegistryGate } from '../../../harness/registry-gate.ts';
import type { RelayProcess, Settings } from '../../../harness/relay-process.ts';
import { startPostgres } from '../../../stack/postgres.ts';
import { World } from '../../relay/world.ts';
import { commitOffsets, kafkaClient, removeRecords, settledEnds } from '../../support/kafka.ts';
import { programsOrSkip } from '../../support/prometheus.ts';
import { registerSchema } from '../../support/registry.ts';
import { AlertWatch } from './alerts.ts';
import { alertsOf, hastened, rulesText } from './rules.ts';

const text = await rulesText();
const rules = hastened(
  text,
  { speed: 120, holdMaxMs: 3_000 },
  {
    OutboxRelayStalled: ['> 120', '> 3'],
    OutboxRelayLagging: ['> 60', '> 2'],
    OutboxSlotRetainsWal: ['> 10e9', '> 40e6'],
    OutboxDeadLetterOld: ['> 86400', '> 1'],
    OutboxRelayRestartsSessions: ['> 5', '> 2'], // the pause between two sessions does not run faster
    OutboxRelaySlow: ['> 5', '> 1'],
    OutboxDutyFailing: ['> 3', '> 1'], // nor does the pause between two attempts
    OutboxAuditStale: ['> 3600', '> 15'],
    OutboxHotPartition: ['> 100', '> 10'],
    OutboxConsumerLag: ['> 10000', '> 10'],
    OutboxTransactionHanging: ['> 60', '> 2'],
  },
);

let watching: Promise<AlertWatch> | undefined;
let watch: AlertWatch;
const seen = new Set<string>();

beforeEach(async (context) => {
  await programsOrSkip(context);
  watching ??= AlertWatch.start(rules);
  watch = await watching;
});
afterAll(async () => {
  await (await watching)?.[Symbol.asyncDispose]();
});

/** A relay that streams and is scraped, and for which nothing fires. */
async function healthy(world: World, settings: Settings = {}, addresses = {}): Promise<RelayProcess> {
  const relay = world.startRelay(settings, addresses);
  await relay.streaming();
  await watch.scrape(relay);
  await world.read(await world.write([{ key: 'first', seq: 0 }]));
  return relay;
}

/** An event whose schema the relay does not know yet. It waits until the registry is `well`. */
async function waitsForRegistry({ topic, pool }: World, registry: RegistryGate): Promise<void> {
  await registerSchema(`${topic}-test.Late`, { type: 'record', name: 'Late', namespace: 'test', fields: [] });
  registry.mood = 'down';
  await pool.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('item', '1', 'test.Late', '{}')`,
  );
}

async function fires(world: World, ...names: readonly string[]): Promise<void> {
  await Promise.all(
    names.map(async (name) => {
      const { labels, annotations } = await watch.fires(name, world.slot);
      expect(labels.slot).toBe(world.slot);
      expect(annotations.description).toContain(world.slot);
      expect(annotations.description).not.toMatch(/<no value>|<error/);
    }),
  );
}

const dropSlot = ({ pool, slot }: World) =>
  pool.query('select pg_drop_replication_slot($1)', [slot]).then(
    () => 'dropped',
    (error: Error) => error.message,
  );

async function done(world: World, ...args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await world.command(...args);
  expect(code, `${stdout}${stderr}`).toBe(0);
}

/** They clear, and nothing else of the slot fires in the end. */
async function clear(world: World, ...names: readonly string[]): Promise<void> {
  // Most scenes have one relay: another would only cost time.
  await watch.quiet(world.slot, names.includes('OutboxRelayNoStandby') ? undefined : 'OutboxRelayNoStandby');
  for (const name of names) seen.add(name);
}

describe.concurrent('on real servers', () => {
  test('no relay streams, none waits to take over, and nothing is scraped', async () => {
    await using nobody = await AlertWatch.start(rules);
    await using world = await World.create();
    await nobody.fires('OutboxRelayNotScraped', undefined);
    const first = await healthy(world);
    await nobody.scrape(first);
    await nobody.quiet(undefined);
    seen.add('OutboxRelayNotScraped');
    await first.stop();
    await fires(world, 'OutboxRelayNotStreaming');
    await watch.forget(first);
    await healthy(world);
    await fires(world, 'OutboxRelayNoStandby');
    const standby = world.startRelay();
    await standby.line(({ msg }) => msg === 'standby: another relay is active');
    await watch.scrape(standby);
    await clear(world, 'OutboxRelayNotStreaming', 'OutboxRelayNoStandby');
  });

  test('the registry is away, so events are late and nothing is committed', async () => {
    await using world = await World.create();
    await using registry = await RegistryGate.open(world.env.SCHEMA_REGISTRY_URL!);
    await healthy(world, {}, { SCHEMA_REGISTRY_URL: registry.url });
    await waitsForRegistry(world, registry);
    await fires(world, 'OutboxRelayLagging', 'OutboxRelayStalled');
    registry.mood = 'well';
    await clear(world, 'OutboxRelayLagging', 'OutboxRelayStalled');
  });

  test('each event takes long', async () => {
    await using world = await World.create();
    const slow = await healthy(world, { PUBLISH_LINGER_MS: 2_000 });
    const writing = setInterval(() => void world.write([{ key: 'slow', seq: 1 }]).catch(() => {}), 100);
    try {
      await fires(world, 'OutboxRelaySlow');
      await slow.stop();
      await watch.forget(slow);
      await healthy(world);
      await clear(world, 'OutboxRelaySlow');
    } finally {
      clearInterval(writing);
    }
  });

  test('the slot retains more WAL than Postgres may keep', async () => {
    await using postgres = await startPostgres({
      settings: { fsync: 'off', max_slot_wal_keep_size: '32MB' },
    });
    await using world = await World.on(postgres.url);
    await using registry = await RegistryGate.open(world.env.SCHEMA_REGISTRY_URL!);
    await healthy(world, {}, { SCHEMA_REGISTRY_URL: registry.url });
    await waitsForRegistry(world, registry);
    for (let segment = 0; segment < 5; segment++)
      await world.pool.query(`select pg_logical_emit_message(false, 'filler', 'x'), pg_switch_wal()`);
    await fires(world, 'OutboxSlotAtRisk', 'OutboxSlotLost', 'OutboxSlotRetainsWal');
    registry.mood = 'well';
    await clear(world, 'OutboxSlotAtRisk', 'OutboxSlotLost', 'OutboxSlotRetainsWal');
  });

  test('the slot is lost, and the relay recovers by itself', async () => {
    await using world = await World.create();
    const first = await healthy(world);
    await first.stop();
    await watch.forget(first);
    await expect.poll(() => dropSlot(world), { interval: 20 }).toBe('dropped');
    await healthy(world, { SLOT_WHEN_LOST: 'recover' });
    await fires(world, 'OutboxSlotRecovered');
    expect((await world.command('status')).stdout).toMatch(
      /^recovery +\d+ s ago relay .*: 0 events published/m,
    );
    await clear(world, 'OutboxSlotRecovered');
  });

  test('a duty fails, then sessions end', async () => {
    await using world = await World.create();
    await healthy(world);
    await world.pool.query('alter table outbox.dead_letter rename to mislaid');
    await fires(world, 'OutboxDutyFailing');
    await world.pool.query('alter table outbox.mislaid rename to dead_letter');
    const end = `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1`;
    const ending = setInterval(() => void world.pool.query(end, [world.slot]).catch(() => {}), 500);
    await fires(world, 'OutboxRelayRestartsSessions').finally(() => clearInterval(ending));
    await clear(world, 'OutboxDutyFailing', 'OutboxRelayRestartsSessions');
  });

  test('events are refused, and rows go to another table', async () => {
    await using world = await World.create();
    await healthy(world);
    await world.pool.query(`create table public.old_events (like outbox.event including all);
      alter publication outbox_relay add table public.old_events;
      insert into public.old_events (aggregatetype, aggregateid, type, payload) values ('item', '1', 't', '{}')`);
    await world.pool.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('item', '1', 'test.ItemMoved', '{}')`,
    );
    await fires(world, 'OutboxDeadLetters', 'OutboxDeadLetterOld', 'OutboxRowsNotPublished');
    await world.pool.query('alter publication outbox_relay drop table public.old_events');
    await done(world, 'dead-letters', 'discard', '--aggregatetype', 'item', '--yes', '--reason', 'a test');
    await clear(world, 'OutboxDeadLetters', 'OutboxDeadLetterOld', 'OutboxRowsNotPublished');
  });

  test('somebody pauses the relay and forgets it, and breaks its configuration', async () => {
    await using world = await World.create();
    const file = join(await mkdtemp(join(tmpdir(), 'relay-')), 'relay.yaml');
    await writeFile(file, 'log: {}\n');
    const relay = await healthy(world, { CONFIG: file });
    await writeFile(file, 'log: { level: loud }\n');
    relay.signal('SIGHUP');
    await done(world, 'pause', '--reason', 'a test');
    await fires(world, 'OutboxRelayPaused', 'OutboxReloadFailed');
    await done(world, 'resume', '--reason', 'a test');
    await writeFile(file, 'log: { level: info }\n');
    relay.signal('SIGHUP');
    await clear(world, 'OutboxRelayPaused', 'OutboxReloadFailed');
    await rm(dirname(file), { recursive: true });
  });

  test('the audit finds an event twice in Kafka, then the audit is gone', async () => {
    await using world = await World.create();
    await healthy(world);
    const [record] = await world.read(await world.write([{ key: 'twice', seq: 1 }]));
    const producer = (await kafkaClient()).producer();
    await producer.connect();
    await producer.send({ topic: world.topic, messages: [{ ...record! }] });
    await producer.disconnect();
    const audit = world.startRelay({ AUDIT_HTTP_PORT: 0 }, {}, 'audit');
    await audit.line(({ msg }) => msg === 'audit has findings');
    await watch.scrape(audit);
    await fires(world, 'OutboxAuditFindings');
    await audit.kill();
    await watch.forget(audit);
    await fires(world, 'OutboxAuditStale');
    await world.command('audit', '--once', '--start', 'now');
    const next = world.startRelay({ AUDIT_HTTP_PORT: 0 }, {}, 'audit');
    await next.line(({ msg, compared }) => msg === 'audited' && compared === 0);
    await watch.scrape(next);
    await clear(world, 'OutboxAuditFindings', 'OutboxAuditStale');
  });

  test('the audit cannot tell whether an event is missing or Kafka removed it', async () => {
    await using world = await World.create(1);
    await healthy(world);
    const producer = (await kafkaClient()).producer();
    await producer.connect();
    const [theirs] = await producer.send({
      topic: world.topic,
      messages: [{ partition: 0, value: 'theirs' }],
    });
    await producer.disconnect();
    await removeRecords(world.topic, { before: theirs!.baseOffset! });
    const audit = world.startRelay({ AUDIT_HTTP_PORT: 0 }, {}, 'audit');
    await audit.line(({ msg }) => msg === 'audited, and not all of it is proven');
    await watch.scrape(audit);
    await fires(world, 'OutboxAuditUnproven');
    await audit.kill();
    await watch.forget(audit);
    await world.read(await world.write([{ key: 'next', seq: 1 }]));
    await done(world, 'audit', '--once', '--start', 'here', '--reason', 'a test has removed it');
    const next = world.startRelay({ AUDIT_HTTP_PORT: 0 }, {}, 'audit');
    await next.line(({ msg }) => msg === 'audited');
    await watch.scrape(next);
    await clear(world, 'OutboxAuditUnproven');
  });

  test('one key has most of the events, and a consumer does not follow', async () => {
    await using world = await World.create(6);
    const group = `billing-${world.slot}`;
    const consume = async (upTo: 'start' | 'end') => {
      const ends = await settledEnds(world.topic);
      const offsets = ends.map(({ partition, end }) => ({
        partition,
        offset: upTo === 'start' ? '0' : String(end),
      }));
      await commitOffsets(group, world.topic, offsets);
    };
    await consume('start');
    await healthy(world, { METRICS_CONSUMER_GROUPS: group });
    let hot = 15;
    const writes: Promise<string[]>[] = [];
    const writing = setInterval(() => {
      const items = Array.from({ length: 20 }, (_, n) => ({ key: n < hot ? 'hot' : `key-${n}`, seq: n }));
      writes.push(world.write(items));
    }, 200);
    try {
      await fires(world, 'OutboxHotPartition', 'OutboxConsumerLag');
      hot = 0;
      await watch.clears('OutboxHotPartition', world.slot);
    } finally {
      clearInterval(writing);
    }
    // A slow machine has many of them still to publish, which the group would not have consumed.
    await world.read((await Promise.all(writes)).flat());
    await consume('end');
    await clear(world, 'OutboxHotPartition', 'OutboxConsumerLag');
  });

  // Its own expect: the global one does not know which of the concurrent tests polls.
  test('a transaction of a relay hangs, and consumers stand', async ({ expect }) => {
    await using world = await World.create();
    await healthy(world, { KAFKA_TRANSACTION_TIMEOUT_MS: 5_000, METRICS_BLOCKED_TOPICS_LOOK_MS: 500 });
    // The relay tells by the record whose it is. It stays open, as if its marker were lost.
    const producer = (await kafkaClient()).producer({
      transactionalId: `${world.slot}.before`,
      transactionTimeout: 600_000,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    const transaction = await producer.transaction();
    const headers = { id: '1', position: '0000000000000001.00000000' };
    await transaction.send({ topic: world.topic, messages: [{ partition: 0, value: '', headers }] });
    await fires(world, 'OutboxTransactionHanging');
    await expect
      .poll(async () => (await world.command('status')).stdout)
      .toMatch(
        /Consumers under read_committed have not got past offset \d+ of \S+\/0 for \d+ s: a transaction hangs there\./,
      );
    expect((await world.command('check')).stdout).toMatch(
      /^! kafka +open transactions: .* did not get past offset \d+ of \S+\/0 \(written by a relay\) within 5 s/m,
    );
    await transaction.abort();
    await producer.disconnect();
    await clear(world, 'OutboxTransactionHanging');
  });

  test('cleanup is held back by rows from before the first start', async () => {
    await using world = await World.create();
    await world.pool.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
       values ('item', '1', 'test.ItemMoved', '{}', now() - interval '10 days')`,
    );
    const keeping = await healthy(world, { CLEANUP_RETENTION: '3d' });
    await fires(world, 'OutboxCleanupHeldBack');
    await keeping.stop();
    await watch.forget(keeping);
    await healthy(world, { CLEANUP_RETENTION: '3d', CLEANUP_UNPROVEN: 'remove' });
    await clear(world, 'OutboxCleanupHeldBack');
  });
});

test('no alert is without a scene of its own', () => {
  expect([...seen].sort()).toEqual(
    alertsOf(text)
      .map(({ alert }) => alert)
      .sort(),
  );
});
