/** Slots that are lost, and what recover makes of it: nothing lost, nothing twice, the order of each key kept. */
import { setTimeout as pauseFor } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RegistryGate } from '../../../harness/registry-gate.ts';
import { type Settings, settingsEnv } from '../../../harness/relay-process.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { createTopic, readCommitted, settledEnds } from '../../support/kafka.ts';
import { expectOnceInOrder } from '../once-in-order.ts';
import { itemOf, World } from '../world.ts';

/** Lets its relay publish one event and ends it. */
async function publish(world: World, key = 'k'): Promise<string[]> {
  const relay = world.startRelay();
  await relay.streaming();
  const ids = await world.write([{ key, seq: 0 }]);
  await world.read(ids);
  relay.signal('SIGTERM');
  await relay.exited;
  return ids;
}

/** Also of a slot that is in use: its reader is ended first. */
async function dropSlot(world: World): Promise<void> {
  await expect
    .poll(
      async () => {
        await world.pool.query(
          'select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active',
          [world.slot],
        );
        return world.pool.query('select pg_drop_replication_slot($1)', [world.slot]).then(
          () => 'dropped',
          (error: Error) => error.message,
        );
      },
      { interval: 5 },
    )
    .toBe('dropped');
}

const allIds = async (world: World): Promise<string[]> =>
  (await world.pool.query<{ id: string }>('select id from outbox.event')).rows.map(({ id }) => id);

/** Writers with keys of their own, in transactions of 1 to 4 events, one in five rolled back. */
class Writers implements AsyncDisposable {
  readonly #world: World;
  readonly #loops: Promise<void>[];
  #isStopped = false;
  #committed = 0;

  constructor(world: World) {
    this.#world = world;
    this.#loops = [0, 1, 2].map((writer) => this.#run(writer));
  }

  async more(count: number): Promise<void> {
    const goal = this.#committed + count;
    await expect.poll(() => this.#committed, { interval: 20 }).toBeGreaterThanOrEqual(goal);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #run(writer: number): Promise<void> {
    for (let seq = 0; !this.#isStopped; seq++) {
      const client = await this.#world.pool.connect();
      await client.query('begin');
      const items = Array.from({ length: 1 + (seq % 4) }, (_, n) => ({ key: `w${writer}-${n}`, seq }));
      await this.#world.write(items, client);
      const isCommitted = seq % 5 !== 4;
      await client.query(isCommitted ? 'commit' : 'rollback');
      client.release();
      if (isCommitted) this.#committed += 1;
      await pauseFor(5); // some hundred transactions a second are load enough
    }
  }
}

/** Small batches, so that a recovery takes several; and what is refused has its key wait. */
const parking: Settings = {
  DEAD_LETTERS_POLICY: 'park-key',
  DEAD_LETTERS_STORM_PERCENT: 100,
  PUBLISH_BATCH_EVENTS: 4,
};

/** What is written before a relay starts comes in one batch, if the relay reads it within this time. */
const oneBatch: Settings = {
  PUBLISH_BATCH_EVENTS: 1_000,
  PUBLISH_LINGER_MS: 5_000,
  CAPTURE_HEARTBEAT_MS: 60_000,
};

/** Each has a key of its own, of which an event between good ones is refused, and more of a key that all have. */
class Rounds {
  readonly #world: World;
  #round = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get last(): string {
    return `r${this.#round - 1}`;
  }

  async write(): Promise<void> {
    const key = `r${this.#round}`;
    const first = this.#round++ * 4;
    const shared = [0, 1, 2, 3].map((n) => ({ key: 'shared', seq: first + n }));
    await this.#world.write(shared);
    const client = await this.#world.pool.connect();
    await client.query('begin');
    await this.#world.write([{ key, seq: 0 }], client);
    await client.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload)
       values ('item', $1, 'test.ItemMoved', json_build_object('key', $1::text, 'seq', '1'))`,
      [key],
    );
    await this.#world.write([{ key, seq: 2 }], client);
    await client.query('commit');
    client.release();
    await this.#world.write([{ key, seq: 3 }]);
  }
}

/** Has a relay make the slot, and park the key of a round. */
async function parkOne(world: World, rounds: Rounds): Promise<void> {
  const relay = world.startRelay({ ...parking, ...oneBatch });
  await relay.streaming();
  await rounds.write();
  await expect.poll(() => countLetters(world)).toEqual({ open: 1, parked: 2 });
  relay.signal('SIGTERM');
  await relay.exited;
}

async function countLetters(world: World): Promise<Record<string, number>> {
  const { rows } = await world.pool.query<{ status: string; count: number }>(
    'select status, count(*)::int from outbox.dead_letter group by status',
  );
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}

/** All that the relay keeps in Postgres, and its slot, as text; and how much Kafka holds. */
async function everythingIn(world: World): Promise<unknown> {
  const tables = ['dead_letter', 'dead_letter_action', 'parked_key', 'key_release', 'progress', 'heartbeat'];
  const rows = await Promise.all(
    tables.map((table) => world.pool.query(`select t::text from outbox.${table} t order by 1`)),
  );
  const slots = await world.pool.query(
    'select slot_name, active, confirmed_flush_lsn from pg_replication_slots',
  );
  const written = await Promise.all([world.topic, world.progressTopic].map(settledEnds));
  return [...rows.map((result) => result.rows), slots.rows, written];
}

/** Fixes every refused event and asks for the release of every key, once the relay has come to the last one. */
async function releaseAll(world: World, last: string): Promise<void> {
  await expect.poll(async () => (await parkedKeys(world)).at(-1)).toBe(last);
  await world.pool.query(
    `update outbox.dead_letter set payload = json_build_object('key', aggregateid, 'seq', 1) where status = 'open'`,
  );
  await world.pool.query(
    `select outbox.request_release(slot, topic, key, 'somebody') from outbox.parked_key where slot = $1`,
    [world.slot],
  );
}

async function parkedKeys(world: World): Promise<string[]> {
  const { rows } = await world.pool.query<{ key: string }>(
    'select key from outbox.parked_key where released_lsn is null order by commit_lsn, ordinal',
  );
  return rows.map(({ key }) => key);
}

describe('where Postgres keeps the times of commits', () => {
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = await startPostgres({ settings: { fsync: 'off', track_commit_timestamp: 'on' } });
  });
  afterAll(() => postgres.stop());

  it('a slot that is dropped under load stops the relay, and recover closes the gap while writers go on', {
    timeout: 150_000,
  }, async () => {
    await using world = await World.on(postgres.url, 3);
    const relay = world.startRelay();
    await relay.streaming();
    await using writers = new Writers(world);
    await writers.more(50);
    await dropSlot(world);
    expect(await relay.exited).toMatchObject({ code: 78 });
    expect(relay.lines.at(-1)?.err).toMatchObject({
      code: 'SLOT_MISSING',
      hint: expect.stringContaining('outbox-relay recover'),
    });
    await writers.more(50);

    const shown = await world.command('recover', '--dry-run', '--json');
    expect(shown.code).toBe(1);
    const plan = JSON.parse(shown.stdout);
    expect(plan).toMatchObject({ outcome: 'dry-run', doubts: [], order: 'commit', notCovered: null });
    expect(plan.found).toMatchObject([{ code: 'SLOT_MISSING' }]);
    expect(plan.missing.count).toBeGreaterThanOrEqual(50);
    expect((await world.pool.query('select from pg_replication_slots')).rowCount).toBe(0);

    const recovered = await world.command('recover');
    expect(recovered).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^result +recovered: [\d,]+ /m),
    });
    await writers.more(20);
    await world.startRelay().streaming();
    await writers.more(20);
    await writers.stop();
    const verified = await world.command('verify');
    expect(verified.code, verified.stdout + verified.stderr).toBe(0);
    const ids = await allIds(world);
    expectOnceInOrder(await world.read(ids), ids);
  });

  it('a relay dies while it parks and releases, its slot is lost, and recover dies at every step: each event comes once, and a parked key in order', {
    timeout: 300_000,
  }, async () => {
    await using world = await World.on(postgres.url, 3);
    const rounds = new Rounds(world);
    await parkOne(world, rounds);
    await releaseAll(world, rounds.last);
    await rounds.write();
    const relay = world.startRelay({ ...parking, ...oneBatch, FAILPOINT: 'DEAD_LETTERS_STORED' });
    expect(await relay.exited).toMatchObject({ signal: 'SIGKILL' });
    expect(await countLetters(world)).toEqual({ released: 3, open: 1, parked: 2 });
    await dropSlot(world);
    for (const failpoint of [
      'SLOT_CREATED',
      'CLAIM_COMMITTED',
      'DEAD_LETTERS_REREAD',
      'DEAD_LETTERS_STORED:2',
      'PARTITIONS_ADDED:2',
      'PROGRESS_SENT:3',
      'EVENTS_SENT:2',
      'COMMIT_SENT:3',
      'KAFKA_COMMITTED:2',
      'FIRST_PROGRESS_COMMITTED',
    ]) {
      await rounds.write();
      const died = await world.commandWith(
        settingsEnv({ ...parking, FAILPOINT: failpoint }),
        'recover',
        '--force',
      );
      expect(died.code, `${failpoint}: ${died.stdout}${died.stderr}`).toBeNull();
    }
    await rounds.write();
    const before = await everythingIn(world);
    const shown = await world.commandWith(settingsEnv(parking), 'recover', '--dry-run', '--force', '--json');
    expect(await everythingIn(world)).toEqual(before);
    const recovered = await world.commandWith(settingsEnv(parking), 'recover', '--force', '--json');
    const { missing, published, deadLettered } = JSON.parse(recovered.stdout);
    expect(JSON.parse(shown.stdout)).toMatchObject({ missing });
    expect(published + deadLettered).toBe(missing.count);

    world.startRelay(parking);
    await rounds.write();
    await expect.poll(() => parkedKeys(world)).not.toContain('r0');
    await releaseAll(world, rounds.last);
    await expect.poll(() => parkedKeys(world)).toEqual([]);
    const verified = await world.command('verify', '--expect-all');
    expect(verified.code, verified.stdout + verified.stderr).toBe(0);
    const ids = await allIds(world);
    expectOnceInOrder(await world.read(ids), ids);
  });
});

describe('recover', { timeout: 120_000 }, () => {
  it('opens what a relay or a recovery closed to read it again, where the table has it no more', async () => {
    await using world = await World.create();
    await publish(world);
    const { rows } = await world.pool.query<{ id: string }>(`
      insert into outbox.event (aggregatetype, aggregateid, type, payload)
        values ('item', 'a', 'test.ItemMoved', '{}'), ('item', 'b', 'test.ItemMoved', '{}') returning id`);
    const ids = rows.map(({ id }) => id);
    const forget = (id: string | undefined) =>
      world.pool.query('delete from outbox.event where id::text = $1', [id]);
    for (const FAILPOINT of ['DEAD_LETTERS_STORED', 'DEAD_LETTERS_REREAD'])
      expect(await world.startRelay({ ...parking, FAILPOINT }).exited).toMatchObject({ signal: 'SIGKILL' });
    expect(await countLetters(world)).toEqual({ resubmitted: 2 });
    await dropSlot(world);

    await forget(ids[0]);
    const dying = settingsEnv({ ...parking, FAILPOINT: 'DEAD_LETTERS_REREAD' });
    expect((await world.commandWith(dying, 'recover', '--by-writing-order')).code).toBeNull();
    expect(await countLetters(world)).toEqual({ open: 1, resubmitted: 1 });
    await forget(ids[1]);
    const recovered = await world.commandWith(settingsEnv(parking), 'recover', '--force', '--json');
    expect(JSON.parse(recovered.stdout)).toMatchObject({ outcome: 'recovered', published: 0, reopened: 1 });
    const open = await world.pool.query(
      `select event_id, context from outbox.dead_letter where status = 'open' order by ordinal`,
    );
    expect(open.rows).toEqual(
      ids.map((id) => ({ event_id: id, context: expect.not.objectContaining({ reread: true }) })),
    );
  });

  it('does not guess the order of commits, unless an option allows it', async () => {
    await using world = await World.create();
    const ids = await publish(world);
    await dropSlot(world);
    for (let seq = 1; seq < 4; seq++) ids.push(...(await world.write([{ key: 'k', seq }])));
    const refused = await world.command('recover');
    expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining('--by-writing-order') });
    expect(refused.stdout).toMatch(/^missing +3 events/m);
    const slots = await world.pool.query('select from pg_replication_slots where slot_name = $1', [
      world.slot,
    ]);
    expect(slots.rowCount).toBe(0);
    expect(await world.command('recover', '--by-writing-order')).toMatchObject({ code: 0 });
    await world.startRelay().streaming();
    ids.push(...(await world.write([{ key: 'k', seq: 4 }])));
    expectOnceInOrder(await world.read(ids), ids);
  });

  it('dead-letters what can never be published, once, and reports from when on rows are gone', async () => {
    await using world = await World.create();
    await publish(world);
    await dropSlot(world);
    const [gone] = await world.write([{ key: 'gone', seq: 1 }]);
    // Of a relay that died before its commit: all that is left of the event.
    await world.pool.query(
      `insert into outbox.dead_letter (slot, commit_lsn, ordinal, event_id, code, message)
       values ($1, pg_current_wal_insert_lsn(), 0, $2, 'EVENT_TOO_LARGE', '')`,
      [world.slot, gone],
    );
    await world.pool.query('delete from outbox.event');
    // As of a relay that died before it made its mark.
    await world.pool.query('delete from outbox.progress');
    await world.pool.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('item', 'bad', 'test.ItemMoved', '{}')`,
    );
    const ids = await world.write([{ key: 'fine', seq: 2 }]);
    const topic = await createTopic('refused');
    const env = settingsEnv({ DEAD_LETTERS_TOPIC: topic });
    // Without the mark nobody knows when the relay first started.
    expect(await world.commandWith(env, 'recover')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('2 events were committed when the relay kept no record of it'),
    });
    const recovered = await world.commandWith(env, 'recover', '--unjudged', 'publish', '--json');
    expect(recovered.code, recovered.stderr).toBe(0);
    const report = JSON.parse(recovered.stdout);
    expect(report).toMatchObject({ published: 1, deadLettered: 1 });
    expect(Date.parse(report.notCovered.until)).toBeGreaterThan(Date.parse(report.notCovered.from));
    expect(await world.commandWith(env, 'recover', '--force')).toMatchObject({ code: 0 });
    const copies = await readCommitted({ topics: [topic] });
    expect(copies.map(({ headers }) => headers.code)).toEqual(['PAYLOAD_INVALID']);
    const letters = await world.pool.query('select status, code from outbox.dead_letter order by commit_lsn');
    expect(letters.rows).toEqual([
      { status: 'open', code: 'EVENT_TOO_LARGE' },
      { status: 'open', code: 'PAYLOAD_INVALID' },
    ]);
    expect((await world.read(ids)).filter((record) => itemOf(record).key === 'fine')).toHaveLength(1);
  });

  it('dead-letters an event after unclear answers of the registry, after its attempts, in one run', async () => {
    await using world = await World.create();
    await publish(world);
    await dropSlot(world);
    await world.write([{ key: 'odd', seq: 1 }]);
    await using registry = await RegistryGate.open(world.env.SCHEMA_REGISTRY_URL!);
    // Odd for one subject only: one that is odd for all is taken for an outage.
    registry.instead = (_, path) =>
      path.includes(`/${world.topic}-test.ItemMoved/`) ? { status: 200, body: '{}' } : undefined;
    const env = { SCHEMA_REGISTRY_URL: registry.url, OUTBOX_RELAY_RETRY_UNCLEAR_ATTEMPTS: '1' };
    const recovered = await world.commandWith(env, 'recover', '--json');
    expect(recovered.stderr).not.toContain('error');
    expect(JSON.parse(recovered.stdout)).toMatchObject({ published: 0, deadLettered: 1 });
    const letters = await world.pool.query('select code from outbox.dead_letter');
    expect(letters.rows).toEqual([{ code: 'REGISTRY_ANSWER_INVALID' }]);
  });

  it('closes the gap of a publication that left out the outbox for a while', async () => {
    await using world = await World.create();
    const ids = await publish(world);
    await world.pool.query('alter publication outbox_relay drop table outbox.event');
    ids.push(...(await world.write([{ key: 'left-out', seq: 0 }])));
    await world.pool.query('alter publication outbox_relay add table outbox.event');
    const relay = world.startRelay();
    await relay.exited;
    expect(relay.lines.at(-1)?.err?.code).toBe('PUBLICATION_GAP');
    expect(await world.command('recover')).toMatchObject({ code: 0 });
    await world.startRelay().streaming();
    ids.push(...(await world.write([{ key: 'k', seq: 1 }])));
    expectOnceInOrder(await world.read(ids), ids);
  });

  it('does nothing where nothing is lost, or while a relay runs', async () => {
    await using world = await World.create();
    await publish(world);
    expect(await world.command('recover')).toMatchObject({ code: 64 });
    await world.startRelay().streaming();
    expect(await world.command('recover', '--force')).toMatchObject({
      code: 69,
      stderr: expect.stringContaining('SLOT_IN_USE'),
    });
  });
});
