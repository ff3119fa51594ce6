/** A relay that recovers from a lost slot by itself: nothing lost, nothing twice, the order of each key kept. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RelayProcess, Settings } from '../../../harness/relay-process.ts';
import { TcpProxy } from '../../../harness/tcp-proxy.ts';
import { loadConfig } from '../../../relay/config/config.ts';
import { readStatus } from '../../../relay/operations/status.ts';
import { startKafka } from '../../../stack/kafka.ts';
import { freePort } from '../../../stack/port.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { Gate } from '../../support/gate.ts';
import { withAdmin } from '../../support/kafka.ts';
import { expectOnceInOrder } from '../once-in-order.ts';
import { World } from '../world.ts';

const recovering: Settings = { SLOT_WHEN_LOST: 'recover', PUBLISH_BATCH_EVENTS: 4 };

/** Each call writes one more event of each of three keys, in transactions of their own. */
class Keys {
  readonly #world: World;
  readonly ids: string[] = [];
  #seq = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async write(rounds = 1): Promise<void> {
    for (let round = 0; round < rounds; round++, this.#seq++)
      for (const key of ['a', 'b', 'c'])
        this.ids.push(...(await this.#world.write([{ key, seq: this.#seq }])));
  }
}

async function publishOnce(world: World, keys: Keys): Promise<void> {
  const relay = world.startRelay(recovering);
  await relay.streaming();
  await keys.write();
  await world.read(keys.ids);
  await relay.stop();
}

async function dropSlot({ pool, slot }: World): Promise<void> {
  const drop = () =>
    pool.query('select pg_drop_replication_slot($1)', [slot]).then(
      () => 'dropped',
      (error: Error) => error.message,
    );
  await expect.poll(drop, { interval: 20 }).toBe('dropped');
}

const slots = async ({ pool, slot }: World) =>
  (await pool.query('select wal_status from pg_replication_slots where slot_name = $1', [slot])).rows;

const recoveries = (relay: RelayProcess, outcome: string) =>
  relay.metric('outbox_relay_slot_recoveries_total', `outcome="${outcome}"`);

const megabyte = 1024 * 1024;

describe('where Postgres keeps the times of commits', { timeout: 120_000 }, () => {
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = await startPostgres({ settings: { fsync: 'off', track_commit_timestamp: 'on' } });
  });
  afterAll(() => postgres.stop());

  it('a relay dies at every step of its recovery, and the next one goes on from there', async () => {
    await using world = await World.on(postgres.url, 3);
    const keys = new Keys(world);
    await publishOnce(world, keys);
    await dropSlot(world);
    for (const FAILPOINT of [
      'SLOT_CREATED',
      'CLAIM_COMMITTED',
      'DEAD_LETTERS_REREAD',
      'PROGRESS_SENT:2',
      'EVENTS_SENT:2',
      'COMMIT_SENT:3',
      'KAFKA_COMMITTED:2',
      'FIRST_PROGRESS_COMMITTED',
    ]) {
      await keys.write(3);
      const relay = world.startRelay({ ...recovering, FAILPOINT });
      expect(await relay.exited, FAILPOINT).toMatchObject({ signal: 'SIGKILL' });
      expect(relay.state, FAILPOINT).not.toBe('streaming');
    }
    await world.startRelay(recovering).streaming();
    await keys.write();
    expectOnceInOrder(await world.read(keys.ids), keys.ids);
    const verified = await world.command('verify', '--expect-all');
    expect(verified.code, verified.stdout + verified.stderr).toBe(0);
  });

  it('three relays find the slot lost at once, and one of them recovers', async () => {
    await using world = await World.on(postgres.url, 3);
    const keys = new Keys(world);
    await publishOnce(world, keys);
    await dropSlot(world);
    await keys.write(10);
    const relays = [1, 2, 3].map(() => world.startRelay(recovering));
    await Promise.race(relays.map((relay) => relay.streaming()));
    await keys.write();
    expectOnceInOrder(await world.read(keys.ids), keys.ids);
    for (const relay of relays) await relay.line(({ msg }) => msg === 'started');
    const recovered = await Promise.all(relays.map((relay) => recoveries(relay, 'recovered')));
    expect(recovered.toSorted()).toEqual([0, 0, 1]);
    for (const relay of relays) relay.assertRunning();
  });

  it('the slot is lost again while the relay recovers: what it has published counts, and it pauses and recovers again', async () => {
    await using world = await World.on(postgres.url, 3);
    const keys = new Keys(world);
    await publishOnce(world, keys);
    await dropSlot(world);
    await keys.write(3);
    using gate = new Gate();
    const relay = world.startRelay({ ...recovering, FAILPOINT: `DEAD_LETTERS_REREAD:1:${gate.closed}` });
    await relay.atFailpoint('reached');
    const held = 'select active_pid from pg_replication_slots where slot_name = $1';
    const { rows } = await world.pool.query(held, [world.slot]);
    await world.pool.query('select pg_terminate_backend($1)', [rows[0].active_pid]);
    await dropSlot(world);
    await keys.write(2);
    gate.open();
    await relay.streaming();
    await keys.write();
    expectOnceInOrder(await world.read(keys.ids), keys.ids);
    expect(await recoveries(relay, 'recovered')).toBe(2);
    expect(relay.lines.filter(({ attempt }) => attempt !== undefined)).toMatchObject([
      { attempt: 1, pauseMs: 0 },
      { level: 'error', attempt: 2, msg: expect.stringContaining('lost again within an hour') },
    ]);
  });

  it('stops where the progress is lost too: a person must see first what would be published', async () => {
    await using world = await World.on(postgres.url, 3);
    const keys = new Keys(world);
    await publishOnce(world, keys);
    await dropSlot(world);
    await withAdmin((admin) => admin.deleteTopics({ topics: [world.progressTopic] }));
    const relay = world.startRelay(recovering);
    expect(await relay.exited).toMatchObject({ code: 78 });
    expect(relay.fatal?.code).toBe('LINEAGE_PROGRESS_LOST');
    expect(await slots(world)).toEqual([]);
  });

  it('drops the slot that it made if it fails before it ends, and recovers once it can', async () => {
    await using world = await World.on(postgres.url, 3);
    const keys = new Keys(world);
    await publishOnce(world, keys);
    await dropSlot(world);
    await keys.write();
    const away = { SCHEMA_REGISTRY_URL: `http://127.0.0.1:${await freePort()}/` };
    const relay = world.startRelay(recovering, away);
    await relay.line(({ outcome }) => outcome === 'failed');
    await expect.poll(() => slots(world), { interval: 5 }).toEqual([]);
    await relay.kill();
    await world.startRelay(recovering).streaming();
    expectOnceInOrder(await world.read(keys.ids), keys.ids);
  });

  it('Kafka is away for longer than the limit on WAL holds: everything arrives, and the limit is kept', async () => {
    const limit = 32 * megabyte;
    const checkpoint = 32 * megabyte; // max_wal_size: what is written from one checkpoint to the next
    const segment = 16 * megabyte;
    await using postgres = await startPostgres({
      settings: {
        fsync: 'off',
        track_commit_timestamp: 'on',
        max_slot_wal_keep_size: '32MB',
        min_wal_size: '32MB',
        max_wal_size: '32MB',
      },
    });
    const port = await freePort();
    await using proxy = await TcpProxy.open(port);
    await using kafka = await startKafka({
      quickStart: true,
      settings: {
        'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,RELAY:PLAINTEXT',
        'inter.broker.listener.name': 'PLAINTEXT',
      },
      nodeSettings: (node) => ({
        listeners: `PLAINTEXT://127.0.0.1:${node.port},CONTROLLER://127.0.0.1:${node.controllerPort},RELAY://127.0.0.1:${port}`,
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${node.port},RELAY://127.0.0.1:${proxy.port}`,
      }),
    });
    await using world = await World.create(3, { databaseUrl: postgres.url, brokers: kafka.brokers });
    const relay = world.startRelay(
      { ...recovering, KAFKA_REQUEST_TIMEOUT_MS: 1_000 },
      { KAFKA_BROKERS: `127.0.0.1:${proxy.port}` },
    );
    await relay.streaming();
    const keys = new Keys(world);
    await keys.write();
    await world.read(keys.ids);

    let most = 0;
    const fill = async () => {
      await keys.write();
      for (let part = 0; part < 8; part++)
        await world.pool.query(`select pg_logical_emit_message(false, 'filler', repeat('x', 1000000))`);
      await world.pool.query('checkpoint');
      const { rows } = await world.pool.query('select sum(size)::float8 as bytes from pg_ls_waldir()');
      most = Math.max(most, rows[0].bytes);
      return (await slots(world))[0]?.wal_status;
    };
    proxy.shut();
    // The relay has no session now, and still says what the slot retains.
    await relay.line(({ msg }) => msg === 'session failed, returning to standby');
    const retained = () => relay.metric('outbox_relay_slot_retained_bytes');
    const before = await retained();
    await fill();
    await expect.poll(retained).toBeGreaterThan(before);
    for (let round = 0; (await fill()) !== 'lost'; round++) expect(round).toBeLessThan(40);
    const isLost = () => relay.metric('outbox_relay_slot_wal_status', 'status="lost"');
    await expect.poll(isLost).toBe(1);
    // As much again: the slot holds nothing any more, and no new one is made while Kafka is away.
    for (let round = 0; round < 12; round++) expect(await fill()).toBe('lost');
    proxy.calm();

    await relay.line(({ outcome }) => outcome === 'recovered', 60_000);
    await keys.write();
    expectOnceInOrder(await world.read(keys.ids), keys.ids);
    await expect.poll(fill).toBe('reserved');
    expect(most).toBeLessThanOrEqual(limit + checkpoint + segment);
    expect(await recoveries(relay, 'recovered')).toBe(1);
  });
});

describe('where Postgres does not keep the times of commits', { timeout: 120_000 }, () => {
  it('stops if the order matters, and leaves no slot; or goes by the order of writing if that is allowed', async () => {
    await using world = await World.create();
    const keys = new Keys(world);
    await publishOnce(world, keys);
    await dropSlot(world);
    await keys.write(2);
    const relay = world.startRelay(recovering);
    expect(await relay.exited).toMatchObject({ code: 78 });
    expect(relay.fatal).toMatchObject({
      code: 'SLOT_MISSING',
      message: expect.stringContaining('--by-writing-order'),
      hint: expect.stringContaining('outbox-relay recover'),
    });
    expect(await slots(world)).toEqual([]);

    // What it said last is all that anybody needs to know, and its log may be gone.
    const { config } = loadConfig({ env: world.env });
    const status = () => readStatus(config);
    const verdict = {
      name: 'slot-lost',
      text: expect.stringMatching(/cannot recover by itself: .*--by-writing-order publishes/),
      advice: expect.stringContaining('--by-writing-order'),
    };
    expect((await status()).verdict).toMatchObject(verdict);
    const away = { KAFKA_BROKERS: `127.0.0.1:${await freePort()}` };
    const next = world.startRelay({ ...recovering, KAFKA_REQUEST_TIMEOUT_MS: 1_000 }, away);
    await next.line(({ msg }) => msg === 'started');
    await expect
      .poll(async () => (await next.ready()).stoppedBefore)
      .toMatchObject({
        code: 'SLOT_MISSING',
        message: expect.stringContaining('--by-writing-order'),
        hint: verdict.advice,
      });
    expect((await status()).verdict).toMatchObject(verdict);
    await next.kill();
    expect((await status()).verdict).toMatchObject(verdict);

    const allowed = world.startRelay({ ...recovering, SLOT_RECOVER_BY_WRITING_ORDER: true });
    await allowed.streaming();
    await keys.write();
    expectOnceInOrder(await world.read(keys.ids), keys.ids);
    expect(await allowed.ready()).not.toHaveProperty('stoppedBefore');
    await allowed.stop();
    const { verdict: after, recovery } = await status();
    expect(JSON.stringify(after)).not.toContain('--by-writing-order');
    expect(recovery).toMatchObject({ code: 'SLOT_MISSING', published: 6, uncertainKeys: 3 });
    const trail = `select person, details ->> 'outcome' as outcome from outbox.trail where action = 'recover' order by acted_at`;
    expect((await world.pool.query(trail)).rows).toEqual([
      { person: expect.stringMatching(/^relay /), outcome: 'refused' },
      { person: recovery?.by, outcome: 'recovered' },
    ]);
  });
});
