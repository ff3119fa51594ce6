/** What reaches Kafka of everything that can happen in a database, on real servers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigResourceTypes } from 'kafkajs';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../../harness/wait.ts';
import { withAdmin } from '../../support/kafka.ts';
import { idOf, itemOf, World } from '../world.ts';

async function connect(world: World): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: world.database.url });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/** A world with a relay that streams. */
async function streamingWorld(settings: Parameters<World['startRelay']>[0] = {}) {
  const world = await World.create();
  const relay = world.startRelay(settings);
  await relay.streaming();
  return { world, relay, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** What the producers lay out and commit; the rest of the path does not know which it is. */
const producers = ['lean', 'kafkajs'] as const;

describe('the path from row to record', () => {
  it('publishes nothing of a rolled-back transaction or savepoint', async () => {
    await using scene = await streamingWorld();
    const { world } = scene;
    await using client = await connect(world);
    await client.query('begin');
    await world.write([{ key: 'a', seq: 100 }], client);
    await client.query('rollback');
    await client.query('begin');
    const kept = await world.write([{ key: 'a', seq: 0 }], client);
    await client.query('savepoint s');
    await world.write([{ key: 'a', seq: 101 }], client);
    await client.query('rollback to savepoint s');
    kept.push(...(await world.write([{ key: 'a', seq: 1 }], client)));
    await client.query('commit');
    const records = await world.read(kept);
    expect(records.map(idOf)).toEqual(kept);
  });

  it('orders concurrent transactions by their commit, not by their start', async () => {
    await using scene = await streamingWorld();
    const { world } = scene;
    await using first = await connect(world);
    await using second = await connect(world);
    await first.query('begin');
    const late = await world.write([{ key: 'k', seq: 1 }], first);
    await second.query('begin');
    const early = await world.write([{ key: 'k', seq: 0 }], second);
    await second.query('commit');
    await first.query('commit');
    const records = await world.read([...late, ...early]);
    expect(records.map(idOf)).toEqual([...early, ...late]);
  });

  it('is not held up by transactions without events, however many there are between two heartbeats', async () => {
    const memory = 64 * 1024;
    await using scene = await streamingWorld({
      CAPTURE_HEARTBEAT_MS: 3_600_000,
      CAPTURE_MAX_IN_FLIGHT_BYTES: memory,
      PUBLISH_MAX_TRANSACTION_BYTES: memory,
      PUBLISH_BATCH_BYTES: memory,
    });
    const { world, relay } = scene;
    // Rows of the heartbeats of another slot: every one comes as a transaction that holds nothing for this relay.
    await world.pool.query(`do $$ begin for i in 1..2000 loop
      delete from outbox.heartbeat where slot = 'other';
      insert into outbox.heartbeat (slot, beat) values ('other', i); commit;
    end loop; end $$`);
    await world.read(await world.write([{ key: 'k', seq: 0 }]), 20_000);
    // Not there before the first sample of a relay that streams.
    await expect.poll(() => relay.metric('outbox_relay_in_flight_bytes')).toBeLessThan(memory);
  });

  it('publishes what is inserted and deleted in one transaction, and nothing for deletes of old rows', async () => {
    await using scene = await streamingWorld();
    const { world } = scene;
    await using client = await connect(world);
    const old = await world.write([{ key: 'k', seq: 0 }]);
    await client.query('begin');
    const brief = await world.write([{ key: 'k', seq: 1 }], client);
    await client.query('delete from outbox.event where id = any($1)', [[...brief, ...old]]);
    await client.query('commit');
    const records = await world.read([...old, ...brief]);
    expect(records.map(idOf)).toEqual([...old, ...brief]);
  });

  it('gives the rows of one multi-row insert rising positions under one commit LSN', async () => {
    await using scene = await streamingWorld();
    const { world } = scene;
    const ids = await world.write(Array.from({ length: 20 }, (_, seq) => ({ key: 'k', seq })));
    const records = await world.read(ids);
    const positions = records.map(({ headers }) => headers.position ?? '');
    expect(new Set(positions.map((position) => position.slice(0, 16))).size).toBe(1);
    expect(positions.map((position) => Number.parseInt(position.slice(17), 16))).toEqual(
      ids.map((_, n) => n),
    );
  });

  it.each(producers)(
    'keeps digits, unicode and empty strings as they were written, with the producer %s',
    async (producer) => {
      await using scene = await streamingWorld({ PUBLISH_PRODUCER: producer });
      const { world } = scene;
      const payload = '{"key":"Ünïcødé 🚚","seq":9223372036854775807,"note":""}';
      const { rows } = await world.pool.query<{ id: string }>(
        `select outbox.emit('item', '🚚', 'test.ItemMoved', $1, '{"traceparent":"00-1"}') as id`,
        [payload],
      );
      const [record] = await world.read([rows[0]!.id]);
      expect(record?.key).toBe('🚚');
      expect(Object.keys(record?.headers ?? {})).toEqual(['id', 'type', 'position', 'traceparent']);
      // key, then the largest long as ten bytes of varint, then branch 1 with an empty string.
      const key = Buffer.from('Ünïcødé 🚚');
      const largest = Buffer.from('feffffffffffffffff01', 'hex');
      const expected = Buffer.concat([Buffer.from([key.length * 2]), key, largest, Buffer.from([2, 0])]);
      expect(record?.value?.subarray(5)).toEqual(expected);
    },
  );

  it.each(['DEAD_LETTERS_STORED:2', 'EVENTS_SENT:3', 'KAFKA_COMMITTED:2'])(
    'sets an event that no schema accepts aside once, even when the relay dies at %s, and goes on',
    async (failpoint) => {
      await using world = await World.create();
      const dying = world.startRelay({ FAILPOINT: failpoint, CAPTURE_HEARTBEAT_MS: 60_000 });
      await dying.streaming();
      const ids = await world.write([{ key: 'k', seq: 0 }]);
      await world.read(ids);
      const bad = `{"key":"k","seq":"secret-value"}`;
      await world.pool.query(`select outbox.emit('item', 'k', 'test.ItemMoved', $1)`, [bad]);
      ids.push(...(await world.write([{ key: 'k', seq: 1 }])));
      await dying.exited;
      const relay = world.startRelay();
      const records = await world.read(ids);
      expect(records.map(idOf)).toEqual(ids);
      const { rows } = await world.pool.query('select code, path, message, payload from outbox.dead_letter');
      expect(rows).toEqual([
        { code: 'PAYLOAD_INVALID', path: '$.seq', message: expect.any(String), payload: bad },
      ]);
      expect(JSON.stringify([...dying.lines, ...relay.lines, rows[0].message])).not.toContain('secret-value');
    },
  );

  it('stops at an event that no schema accepts under the policy halt, and publishes it once it may', async () => {
    await using scene = await streamingWorld({ DEAD_LETTERS_POLICY: 'halt' });
    const { world, relay } = scene;
    await world.pool.query(`select outbox.emit('item', 'k', 'test.ItemMoved', '{"key":"k"}')`);
    const after = await world.write([{ key: 'k', seq: 0 }]);
    expect(await relay.exited).toEqual({ code: 78, signal: null });
    expect(relay.lines.at(-1)?.err).toMatchObject({
      code: 'EVENT_REJECTED',
      message: expect.stringMatching(
        /^event [-0-9a-f]{36} at [0-9a-f]{16}\.0{8} was refused: PAYLOAD_INVALID at \$/,
      ),
    });
    world.startRelay();
    expect((await world.read(after)).map(idOf)).toEqual(after);
  });

  // One partition: across partitions no reader sees a Kafka transaction at one instant, for each has its own markers.
  it.each(producers)('never lets a transaction be seen in part, with the producer %s', async (producer) => {
    await using world = await World.create(1);
    await world.startRelay({ PUBLISH_PRODUCER: producer, PUBLISH_LINGER_MS: 0 }).streaming();
    const ids: string[] = [];
    const sizes = new Map<string, number>();
    for (let transaction = 0; transaction < 30; transaction++) {
      const written = await world.write(
        Array.from({ length: 2 + (transaction % 9) }, (_, seq) => ({ key: `t${transaction}-${seq}`, seq })),
      );
      sizes.set(`t${transaction}`, written.length);
      ids.push(...written);
      // A reader at any moment: of each transaction all or nothing.
      if (transaction % 10 !== 9) continue;
      const seen = new Map<string, number>();
      for (const record of await world.read([])) {
        const name = itemOf(record).key.split('-')[0]!;
        seen.set(name, (seen.get(name) ?? 0) + 1);
      }
      for (const [name, count] of seen) expect(count).toBe(sizes.get(name));
    }
    expect((await world.read(ids)).length).toBe(ids.length);
  });

  it('keeps the events of a transaction below the limit in one Kafka transaction', async () => {
    await using scene = await streamingWorld();
    const { world, relay } = scene;
    // More than a batch takes in of several transactions, and less than one transaction may have.
    const ids = await world.write(Array.from({ length: 5_000 }, (_, seq) => ({ key: `k${seq % 7}`, seq })));
    await world.read(ids);
    const transactions = () => relay.metric('outbox_relay_kafka_transactions_total', 'kind="events"');
    await expect.poll(transactions).toBe(1);
    expect(await relay.metric('outbox_relay_kafka_transactions_split_total')).toBe(0);
  });

  it('has events that follow another within the linger share a Kafka transaction', async () => {
    const lingerMs = 2_000;
    await using scene = await streamingWorld({ PUBLISH_LINGER_MS: lingerMs, CAPTURE_HEARTBEAT_MS: 60_000 });
    const { world, relay } = scene;
    const transactions = () => relay.metric('outbox_relay_kafka_transactions_total', 'kind="events"');
    await world.read(await world.write([{ key: 'k', seq: 0 }]));
    const before = await transactions();
    const following: string[] = [];
    for (let seq = 1; seq < 6; seq++) following.push(...(await world.write([{ key: 'k', seq }])));
    await world.read(following);
    await expect.poll(transactions).toBe(before + 1);
  });

  it('publishes what a topic would not take by its commit time, after an outage longer than that', async () => {
    await using scene = await streamingWorld();
    const { world, relay } = scene;
    const oldestMs = 3_000;
    const configEntries = [{ name: 'message.timestamp.before.max.ms', value: String(oldestMs) }];
    await withAdmin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: world.topic, configEntries }],
      }),
    );
    await relay.kill();
    const writtenMs = Date.now();
    const ids = await world.write([{ key: 'k', seq: 0 }]);
    await sleep(oldestMs); // the outage
    await world.startRelay().streaming();
    const [record] = await world.read(ids);
    const committedMs = Date.parse(record?.headers['committed-at'] ?? '');
    expect(committedMs).toBeGreaterThanOrEqual(writtenMs);
    expect(committedMs).toBeLessThan(writtenMs + oldestMs);
  });

  it('streams an existing outbox table of other names, with text payloads and ids that are no UUIDs', async () => {
    await using world = await World.create();
    await world.pool.query(
      `create table public.events (at timestamptz default now(), body text, kind text, entity_id text, entity text,
                                   number bigint generated always as identity primary key, meta jsonb)`,
    );
    await world.pool.query('alter publication outbox_relay add table public.events');
    const mapping = {
      OUTBOX_TABLE: 'public.events',
      OUTBOX_COLUMNS_ID: 'number',
      OUTBOX_COLUMNS_AGGREGATETYPE: 'entity',
      OUTBOX_COLUMNS_AGGREGATEID: 'entity_id',
      OUTBOX_COLUMNS_TYPE: 'kind',
      OUTBOX_COLUMNS_PAYLOAD: 'body',
      OUTBOX_COLUMNS_HEADERS: 'meta',
      OUTBOX_COLUMNS_CREATED_AT: 'at',
      OUTBOX_PARTITIONS_DAYS_AHEAD: 0,
    };
    await world.startRelay(mapping).streaming();
    await world.pool.query(
      `insert into public.events (entity, entity_id, kind, body, meta)
       select 'item', 'k', 'test.ItemMoved', format('{"key":"k","seq":%s}', n), '{"source":"old"}'
         from generate_series(0, 4) n`,
    );
    const records = await world.read(['1', '2', '3', '4', '5']);
    expect(records.map((record) => [idOf(record), Number(itemOf(record).seq)])).toEqual(
      [0, 1, 2, 3, 4].map((n) => [String(n + 1), n]),
    );
    expect(records[0]?.headers.source).toBe('old');
  });

  it.each(producers)(
    'splits a transaction over the limit by ordinal and goes on within it after dying, with the producer %s',
    async (producer) => {
      await using world = await World.create();
      const limits = {
        PUBLISH_PRODUCER: producer,
        PUBLISH_MAX_TRANSACTION_EVENTS: 50,
        PUBLISH_BATCH_EVENTS: 50,
      };
      const dying = world.startRelay({ ...limits, FAILPOINT: 'KAFKA_COMMITTED:16' });
      await dying.streaming();
      const small = await world.write([{ key: 'k', seq: 0 }]);
      const ids = await world.write(Array.from({ length: 1_000 }, (_, n) => ({ key: 'k', seq: n + 1 })));
      await dying.exited;
      // Less room than what is to be passed over.
      const room = {
        PUBLISH_BATCH_BYTES: 65_536,
        PUBLISH_MAX_TRANSACTION_BYTES: 65_536,
        CAPTURE_MAX_IN_FLIGHT_BYTES: 65_536,
      };
      const relay = world.startRelay({ ...limits, ...room });
      const records = await world.read([...small, ...ids]);
      expect(records.map((record) => itemOf(record).seq)).toEqual(Array.from({ length: 1_001 }, (_, n) => n));
      expect(await relay.metric('outbox_relay_kafka_transactions_split_total')).toBeGreaterThan(2);
      const isMarked = records.map(({ headers }) => headers['split-transaction'] === 'true');
      expect([isMarked.slice(0, 51), new Set(isMarked.slice(51))]).toEqual([
        Array.from({ length: 51 }, () => false),
        new Set([true]),
      ]);
    },
  );

  it.each(producers)(
    'publishes a transaction of many parts as a whole, also after dying between two, with the producer %s',
    async (producer) => {
      await using world = await World.create();
      const parts = { PUBLISH_PRODUCER: producer, PUBLISH_PART_EVENTS: 50, PUBLISH_BATCH_EVENTS: 50 };
      const dying = world.startRelay({ ...parts, FAILPOINT: 'PART_WRITTEN:8' });
      await dying.streaming();
      const small = await world.write([{ key: 'k', seq: 0 }]);
      await world.read(small);
      const ids = await world.write(
        Array.from({ length: 1_000 }, (_, n) => ({ key: `k${n % 7}`, seq: n + 1 })),
      );
      await dying.exited;
      const relay = world.startRelay(parts);
      const records = await world.read([...small, ...ids]);
      expect(records.length).toBe(1_001);
      expect(records.filter(({ headers }) => headers['split-transaction'] !== undefined)).toEqual([]);
      expect(await relay.metric('outbox_relay_kafka_transactions_split_total')).toBe(0);
      // One with events in all: nothing of it was published before, nor after.
      expect(await relay.metric('outbox_relay_kafka_transactions_total', 'kind="events"')).toBe(1);
    },
  );

  it('splits a transaction in parts before its time is over, and says so on what follows', async () => {
    await using world = await World.create(1);
    const relay = world.startRelay({
      PUBLISH_PART_EVENTS: 10,
      PUBLISH_BATCH_EVENTS: 10,
      // A part takes 500 ms, and Kafka allows 5 s: half of that counts.
      PUBLISH_MAX_EVENTS_PER_SECOND: 20,
      KAFKA_TRANSACTION_TIMEOUT_MS: 5_000,
    });
    await relay.streaming();
    const ids = await world.write(Array.from({ length: 100 }, (_, n) => ({ key: 'k', seq: n })));
    const records = await world.read(ids, 30_000);
    expect(records.map((record) => itemOf(record).seq)).toEqual(Array.from({ length: 100 }, (_, n) => n));
    const splits = await relay.metric('outbox_relay_kafka_transactions_split_total');
    expect(splits).toBeGreaterThan(0);
    expect(splits).toBeLessThan(9);
    const marked = records.findIndex(({ headers }) => headers['split-transaction'] === 'true');
    expect(marked % 10).toBe(0);
    expect(records.slice(marked).every(({ headers }) => headers['split-transaction'] === 'true')).toBe(true);
    expect(marked).toBeLessThan(100);
    expect(relay.lines.map(({ msg }) => msg)).toContain(
      'a Postgres transaction is split over several Kafka transactions',
    );
  });

  it('takes a transaction of 200,000 events in bounded memory', { timeout: 600_000 }, async () => {
    await using scene = await streamingWorld();
    const { world, relay } = scene;
    await world.pool.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload)
       select 'item', 'k' || n % 100, 'test.ItemMoved',
              json_build_object('key', 'k' || n % 100, 'seq', n, 'note', repeat('x', 250))
         from generate_series(1, 200000) n`,
    );
    let peak = 0;
    await waitFor(
      async () => {
        peak = Math.max(peak, await relay.metric('process_resident_memory_bytes'));
        return (await relay.metric('outbox_relay_events_published_total')) >= 200_000;
      },
      'all events to be published',
      500_000,
    );
    console.log(`200,000 events in one transaction: peak ${Math.round(peak / 1024 / 1024)} MB resident`);
    expect(peak).toBeLessThan(300 * 1024 * 1024);
  });
});
