import { readFile } from 'node:fs/promises';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, loadConfig } from '../../../../relay/config/config.ts';
import { findEvents } from '../../../../relay/operations/find-event/find-event.ts';
import type { Found, FoundEvent, Wanted } from '../../../../relay/operations/find-event/found.ts';
import { recentTransactions } from '../../../../relay/operations/recent-transactions.ts';
import { kafkaClient } from '../../../support/kafka.ts';
import { unique } from '../../../support/unique.ts';
import { World } from '../../world.ts';

const log = pino({ level: 'silent' });
const notAnEvent = '00000000-0000-4000-8000-000000000000';
/** A key that would forge lines of a terminal or markup of a page. */
const hostileKey = 'a\u001b[31m\r\n<b>\u202e\u0007';

let world: World;
const config = (more: Record<string, string> = {}): Config =>
  loadConfig({ env: { ...world.env, ...more } as Record<string, string> }).config;
const find = (
  by: Wanted['by'],
  more: Record<string, string> = {},
  since: Date | null = null,
): Promise<Found> => findEvents({ config: config(more), log, wanted: { by, since, until: null } });
const one = async (id: string, more: Record<string, string> = {}): Promise<FoundEvent> => {
  const { events } = await find({ kind: 'id', id }, more);
  expect(events).toHaveLength(1);
  return events[0]!;
};
const refused = (key: string) => ({ key, seq: 'no number' as unknown as number });

describe('find', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    world = await World.create(3);
    await world.startRelay({ DEAD_LETTERS_POLICY: 'park-key', DEAD_LETTERS_STORM_PERCENT: 100 }).streaming();
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  it('says where a published event is, under which schema, and when it was published', async () => {
    const ids = await world.write([
      { key: hostileKey, seq: 1 },
      { key: hostileKey, seq: 2 },
    ]);
    const record = (await world.read(ids)).find(({ headers }) => headers.id === ids[1])!;
    const event = await one(ids[1]!);
    expect(event).toMatchObject({
      state: 'published',
      rows: [{ key: hostileKey, type: 'test.ItemMoved', topic: world.topic }],
      letters: [],
      records: [
        {
          topic: world.topic,
          partition: record.partition,
          offset: String(record.offset),
          position: record.headers.position,
          schema: { versions: [{ subject: `${world.topic}-test.ItemMoved`, version: 1 }] },
        },
      ],
    });
    expect(event.story.map(({ what }) => what)).toEqual(['written', 'committed', 'published']);
    expect(event.story.every(({ at }) => at !== null)).toBe(true);

    expect((await find({ kind: 'position', position: record.headers.position! })).events).toMatchObject([
      { id: ids[1], state: 'published' },
    ]);
    const ofKey = await find({ kind: 'key', key: hostileKey });
    expect(ofKey.events.map(({ id, state }) => [id, state])).toEqual(
      ids.toReversed().map((id) => [id, 'published']),
    );
    const { transactions } = await recentTransactions({ config: config(), log });
    expect(transactions.find(({ eventCount }) => eventCount === 2)).toMatchObject({ letterCount: 0 });

    const printed = await world.command('find', ids[1]!);
    expect(printed.code).toBe(0);
    expect(printed.stdout).toContain(`partition ${record.partition}, offset ${record.offset}`);
    expect(printed.stdout).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}]/u);
  });

  it('tells a dead letter from what waits behind it, and follows it until it is published', async () => {
    const key = unique('key');
    const [first, second] = await world.write([refused(key), { key, seq: 2 }]);
    await expect
      .poll(async () => (await one(second!)).state, { timeout: 20_000, interval: 100 })
      .toBe('parked');
    const letter = await one(first!);
    expect(letter).toMatchObject({ state: 'dead-letter', records: [], letters: [{ status: 'open' }] });
    expect((await one(second!)).text).toContain(letter.letters[0]!.position);
    expect((await find({ kind: 'key', key })).events.map(({ state }) => state).sort()).toEqual([
      'dead-letter',
      'parked',
    ]);
    await world.command(
      'dead-letters',
      'fix',
      letter.letters[0]!.position,
      '--patch',
      '[{"op":"replace","path":"/seq","value":1}]',
      '--reason',
      'x',
    );
    expect((await one(first!)).story.map(({ what }) => what)).toEqual(['written', 'refused', 'fix']);
    const released = await world.command(
      'dead-letters',
      'release',
      letter.letters[0]!.position,
      '--yes',
      '--reason',
      'x',
    );
    expect(released.code).toBe(0);
    await expect
      .poll(async () => (await one(second!)).state, { timeout: 20_000, interval: 100 })
      .toBe('published');
  });

  it('shows both rows of an id that comes twice, and all its records', async () => {
    const [id] = await world.write([{ key: 'twice', seq: 1 }]);
    await world.pool.query(
      `insert into outbox.event (id, aggregatetype, aggregateid, type, payload)
       select id, aggregatetype, aggregateid, type, payload from outbox.event where id = $1`,
      [id],
    );
    await expect
      .poll(async () => (await one(id!)).records.length, { timeout: 20_000, interval: 100 })
      .toBe(2);
    expect(await one(id!)).toMatchObject({
      rows: [{}, {}],
      text: expect.stringContaining('One further record'),
    });
  });

  it('never says that an event does not exist: what it read, and what it did not', async () => {
    const nothing = await find({ kind: 'id', id: notAnEvent });
    expect(nothing).toMatchObject({ events: [], missing: { rows: null, letters: null, records: null } });
    expect(nothing.notes.join(' ')).toMatch(/has no such row now.*not found in [\d,]+ records? of/);
    expect(await find({ kind: 'id', id: 'no uuid' })).toMatchObject({ events: [], missing: { rows: null } });
    await expect(find({ kind: 'key', key: 'a\0' })).rejects.toThrow('U+0000');
    expect((await world.command('find', notAnEvent)).code).toBe(1);
  });

  it('shows what it can where Kafka is away, and says what is not known', async () => {
    const [id] = await world.write([{ key: 'k', seq: 1 }]);
    await world.read([id!]);
    const away = { KAFKA_BROKERS: '127.0.0.1:1', OUTBOX_RELAY_KAFKA_CONNECT_TIMEOUT_MS: '500' };
    const found = await find({ kind: 'id', id: id! }, away);
    expect(found).toMatchObject({
      events: [{ state: 'unclear', rows: [{ id }], records: [] }],
      missing: { rows: null, records: { code: 'KAFKA_UNAVAILABLE' } },
    });
  });

  it('takes rows that row-level security hides for unknown', async () => {
    const [id] = await world.write([{ key: 'k', seq: 1 }]);
    await world.read([id!]);
    const role = unique('reader').replaceAll('-', '_');
    const roles = await readFile(new URL('../../../../migrations/roles.sql', import.meta.url), 'utf8');
    await world.pool.query(roles);
    await world.pool.query(`create role ${role} login password 'sesame' in role outbox_relay`);
    const url = new URL(world.env.DATABASE_URL!);
    [url.username, url.password] = [role, 'sesame'];
    await world.pool.query('alter table outbox.event enable row level security');
    try {
      const hidden = await find({ kind: 'id', id: id! }, { DATABASE_URL: url.href });
      expect(hidden.missing.rows).toMatchObject({ code: 'POSTGRES_ROWS_HIDDEN' });
      // Kafka has it all the same.
      expect(hidden.events).toMatchObject([{ id, state: 'published', rows: [] }]);
      expect((await find({ kind: 'key', key: 'k' }, { DATABASE_URL: url.href })).notes.join()).toContain(
        'table could not be read',
      );
    } finally {
      await world.pool.query('alter table outbox.event disable row level security');
      await world.pool.query(`drop owned by ${role}; drop role ${role}`);
    }
  });
});

describe('find without a relay', { timeout: 60_000 }, () => {
  it('tells what waits, what an open Kafka transaction may hide, and what was written before the slot', async () => {
    world = await World.create(1);
    await using own = world;
    const [early] = await own.write([{ key: 'k', seq: 0 }]);
    const relay = own.startRelay();
    await relay.streaming();
    await own.read(await own.write([{ key: 'k', seq: 1 }]));
    await relay.kill();
    const [waiting] = await own.write([{ key: 'k', seq: 2 }]);
    expect(await one(early!)).toMatchObject({ state: 'before-slot' });
    expect(await one(waiting!)).toMatchObject({
      state: 'waiting',
      text: expect.stringContaining('The relay: Not streaming'),
    });

    const producer = (await kafkaClient()).producer({
      transactionalId: unique('open'),
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    try {
      const transaction = await producer.transaction();
      await transaction.send({
        topic: own.topic,
        messages: [{ key: 'k', value: 'x', headers: { id: waiting! } }],
      });
      expect(await one(waiting!)).toMatchObject({ state: 'in-open-transaction', records: [] });
      await transaction.abort();
    } finally {
      await producer.disconnect();
    }
    await expect.poll(async () => (await one(waiting!)).state, { timeout: 20_000 }).toBe('waiting');
  });
});
