/**
 * Each alert on real servers: a real relay comes into the condition, a real Prometheus scrapes it and fires the alert, and
 * the alert clears when the condition is repaired as the runbook says. The rules are those of `deploy/`, with time running
 * 120 times faster and with borders that a test can reach.
 */
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { RegistryGate } from '../../../harness/registry-gate.ts';
import type { RelayProcess, Settings } from '../../../harness/relay-process.ts';
import { startPostgres } from '../../../stack/postgres.ts';
import { World } from '../../relay/world.ts';
import { programsOrSkip } from '../../support/prometheus.ts';
import { registerSchema } from '../../support/registry.ts';
import { AlertWatch } from './alerts.ts';
import { alertsOf, hastened, rulesText } from './rules.ts';

const text = await rulesText();
const rules = hastened(text, 120, {
  OutboxRelayStalled: ['> 120', '> 3'],
  OutboxRelayLagging: ['> 60', '> 2'],
  OutboxSlotRetainsWal: ['> 10e9', '> 40e6'],
  OutboxDeadLetterOld: ['> 86400', '> 1'],
  OutboxRelayRestartsSessions: ['> 5', '> 2'], // the pause between two sessions does not run faster
  OutboxRelaySlow: ['> 5', '> 1'],
});

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

/** They clear, and nothing else of the slot fires in the end. */
async function clear(world: World, ...names: readonly string[]): Promise<void> {
  await watch.quiet(world.slot);
  for (const name of names) seen.add(name);
}

describe.concurrent('on real servers', () => {
  test('no relay streams, and nothing is scraped', async () => {
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
    await clear(world, 'OutboxRelayNotStreaming');
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
    await fires(world, 'OutboxSlotLost', 'OutboxSlotRetainsWal');
    registry.mood = 'well';
    await clear(world, 'OutboxSlotLost', 'OutboxSlotRetainsWal');
  });

  test('events are refused, rows go to another table, duties fail, sessions end', async () => {
    await using world = await World.create();
    await healthy(world);

    await world.pool.query('alter table outbox.dead_letter rename to mislaid');
    await fires(world, 'OutboxDutyFailing');
    await world.pool.query('alter table outbox.mislaid rename to dead_letter');

    await world.pool.query(`create table public.old_events (like outbox.event including all);
      alter publication outbox_relay add table public.old_events;
      insert into public.old_events (aggregatetype, aggregateid, type, payload) values ('item', '1', 't', '{}')`);
    await world.pool.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('item', '1', 'test.ItemMoved', '{}')`,
    );
    await fires(world, 'OutboxDeadLetters', 'OutboxDeadLetterOld', 'OutboxRowsNotPublished');
    await world.pool.query('alter publication outbox_relay drop table public.old_events');
    const discard = await world.command(
      'dead-letters',
      'discard',
      '--aggregatetype',
      'item',
      '--yes',
      '--reason',
      'a test',
    );
    expect(discard.code, discard.stderr).toBe(0);

    const ending = setInterval(
      () =>
        void world.pool
          .query('select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1', [
            world.slot,
          ])
          .catch(() => {}),
      500,
    );
    await fires(world, 'OutboxRelayRestartsSessions').finally(() => clearInterval(ending));
    await clear(
      world,
      'OutboxDutyFailing',
      'OutboxDeadLetters',
      'OutboxDeadLetterOld',
      'OutboxRowsNotPublished',
      'OutboxRelayRestartsSessions',
    );
  });
});

test('no alert is without a scene of its own', () => {
  expect([...seen].sort()).toEqual(
    alertsOf(text)
      .map(({ alert }) => alert)
      .sort(),
  );
});
