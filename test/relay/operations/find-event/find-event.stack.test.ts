import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RegistryGate } from '../../../../harness/registry-gate.ts';
import { TcpProxy } from '../../../../harness/tcp-proxy.ts';
import { type Config, loadConfig } from '../../../../relay/config/config.ts';
import { cursorText, parseCursor } from '../../../../relay/operations/find-event/cursor.ts';
import { findEvents } from '../../../../relay/operations/find-event/find-event.ts';
import type { Found, FoundEvent, Wanted } from '../../../../relay/operations/find-event/found.ts';
import { recentTransactions } from '../../../../relay/operations/recent-transactions.ts';
import { createTopics, kafkaClient } from '../../../support/kafka.ts';
import { makeOperator } from '../../../support/roles.ts';
import { unique } from '../../../support/unique.ts';
import { openWriter } from '../../audit/topics.ts';
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
    const { transactions } = await recentTransactions(config(), 200);
    expect(transactions.find(({ eventCount }) => eventCount === 2)).toMatchObject({ letterCount: 0 });

    const printed = await world.command('find', ids[1]!);
    expect(printed.code).toBe(0);
    expect(printed.stdout).toContain(`partition ${record.partition}, offset ${record.offset}`);
    expect(printed.stdout).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}]/u);
  });

  it('finds the record of a row whatever time the application gave it', async () => {
    const times = [
      '0001-01-01',
      '1969-12-31 23:59:59',
      '12000-01-01',
      'infinity',
      '-infinity',
      '0044-03-15 BC',
    ];
    const { rows } = await world.pool.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
       select 'item', 'odd time', 'test.ItemMoved', '{"key": "odd time", "seq": 1}', at::timestamptz
         from unnest($1::text[]) as at returning id`,
      [times],
    );
    const ids = rows.map(({ id }) => id);
    await world.read(ids);
    for (const id of ids) expect(await one(id)).toMatchObject({ state: 'published', records: [{ id }] });
  });

  it('asks Postgres on one connection, and one for the status', async () => {
    const [id] = await world.write([{ key: 'one connection', seq: 1 }]);
    await using proxy = await TcpProxy.before(world.database.url);
    const through = { DATABASE_URL: proxy.through(world.database.url) };
    expect(await one(id!, through)).toMatchObject({ rows: [{ key: 'one connection' }] });
    expect(proxy.connections).toBeLessThanOrEqual(2);
  });

  it('tells a dead letter from what waits behind it, and follows it until it is published', async () => {
    const key = unique('key');
    const [first, second] = await world.write([refused(key), { key, seq: 2 }]);
    await expect.poll(async () => (await one(second!)).state, { interval: 100 }).toBe('parked');
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
    await expect.poll(async () => (await one(second!)).state, { interval: 100 }).toBe('published');
  });

  it("tells another producer's record from its own, which it finds behind that", async () => {
    const producer = (await kafkaClient()).producer();
    const send = (id: string) =>
      producer.send({ topic: world.topic, messages: [{ key: 'foreign', value: 'x', headers: { id } }] });
    const stranger = crypto.randomUUID();
    const client = await world.pool.connect();
    await producer.connect();
    try {
      await send(stranger);
      expect(await one(stranger)).toMatchObject({
        state: 'unclear',
        text: expect.stringContaining('No relay of this outbox wrote it'),
        records: [{ isOfRelay: false }],
      });
      const { stdout } = await world.command('find', stranger);
      expect(stdout).toMatch(/offset \d+, by another producer/);
      expect(stdout).not.toMatch(/Committed in Postgres|Published/);
      const id = crypto.randomUUID();
      // Its record comes behind that of the other producer, and still from its own time on.
      await client.query('begin');
      await client.query(
        `insert into outbox.event (id, aggregatetype, aggregateid, type, payload)
           values ($1, 'item', 'foreign', 'test.ItemMoved', '{"key": "foreign", "seq": 1}')`,
        [id],
      );
      await send(id);
      await client.query('commit');
      await expect
        .poll(async () => (await one(id)).records.map(({ isOfRelay }) => isOfRelay))
        .toEqual([false, true]);
      expect(await one(id)).toMatchObject({ state: 'published' });
    } finally {
      client.release();
      await producer.disconnect();
    }
  });

  it('takes no record of the relay of another database for that of a lost event', async () => {
    await using other = await openWriter();
    // Refused here, so that this relay has published nothing of it.
    const [id] = await world.write([refused('theirs')]);
    await expect.poll(async () => (await one(id!)).state).toBe('dead-letter');
    await world.pool.query('delete from outbox.dead_letter where event_id = $1', [id]);
    const headers = { id: id!, type: 'test.ItemMoved', position: '0000000000000010.00000000' };
    const progressTopic = `outbox-relay.progress.${unique('slot').replaceAll('-', '_')}`;
    await createTopics([{ topic: progressTopic, numPartitions: 1 }]);
    await other.commit(
      { topic: world.topic, messages: [{ key: 'theirs', value: 'x', headers }] },
      { topic: progressTopic, messages: [{ key: 'another_slot/claim', value: null }] },
    );
    await expect
      .poll(async () => (await one(id!)).records)
      .toMatchObject([{ isOfRelay: false, isOfThisSlot: false }]);
    const found = await one(id!);
    expect(found.state).not.toBe('published');
    expect(found.story.map(({ what }) => what)).not.toContain('published');
    expect(found.story.map(({ text }) => text)).toContainEqual(
      expect.stringContaining('a relay of another database or outbox'),
    );
  });

  it('shows both rows of an id that comes twice, and all its records', async () => {
    const [id] = await world.write([{ key: 'twice', seq: 1 }]);
    await world.pool.query(
      `insert into outbox.event (id, aggregatetype, aggregateid, type, payload)
       select id, aggregatetype, aggregateid, type, payload from outbox.event where id = $1`,
      [id],
    );
    await expect.poll(async () => (await one(id!)).records.length, { interval: 100 }).toBe(2);
    expect(await one(id!)).toMatchObject({
      rows: [{}, {}],
      text: expect.stringContaining('One further record'),
    });
  });

  it('goes through the events of a key page by page, each once, and then the dead letters without a row', async () => {
    const key = unique('key');
    // One transaction, and one time: the order of the pages must not depend on it.
    const { rows } = await world.pool.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
         select 'item', $1::text, 'test.ItemMoved', jsonb_build_object('key', $1::text, 'seq', n), now() from generate_series(1, 5) n
         returning id`,
      [key],
    );
    await world.pool.query(
      `insert into outbox.dead_letter (slot, commit_lsn, ordinal, event_id, aggregateid, type, topic, code, message, status)
         select $1, '0/10', n, $3::text || n, $2, 'test.ItemMoved', $4, 'PAYLOAD_INVALID', 'x', 'discarded'
           from generate_series(1, 3) n`,
      [world.slot, key, `${key}-`, world.topic],
    );
    const seen: (string | null)[][] = [];
    let after: Found['next'] = null;
    do {
      const page: Found = await findEvents({
        config: config(),
        log,
        wanted: { by: { kind: 'key', key }, since: null, until: null },
        limit: 2,
        after,
      });
      expect(page.hasMore).toBe(page.next !== null);
      expect(page.events.every(({ state }) => state !== 'not-found-in-kafka')).toBe(true);
      seen.push(page.events.map(({ id }) => id));
      after = page.next === null ? null : parseCursor(cursorText(page.next))!;
    } while (after !== null);
    expect(seen.map(({ length }) => length)).toEqual([2, 2, 3, 1]);
    expect(seen.flat().slice(5)).toEqual([`${key}-1`, `${key}-2`, `${key}-3`]);
    expect(seen.flat().slice(0, 5)).toEqual(
      rows
        .map(({ id }) => id)
        .sort()
        .reverse(),
    );
    const printed = await world.command('find', '--key', key, '--limit', '2');
    expect(printed.stdout).toMatch(/^More than 2 match\. The next ones: --after [\w-]+\./m);
  });

  it('shows the contents of a row only where they are asked for, and as they were written', async () => {
    const { rows } = await world.pool.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload, headers)
         values ('item', 'k', 'test.ItemMoved', '{"seq": 9007199254740993, "key":"k"}', '{"a":"b"}'),
                ('item', 'too-large', 'test.ItemMoved', json_build_object('key', repeat('x', 1100000), 'seq', 1), '{}')
         returning id`,
    );
    const [small, large] = rows.map(({ id }) => id);
    await world.read([small!]);
    const contentsOf = async (by: Wanted['by']) => {
      const wanted = { by, since: null, until: null };
      const { events } = await findEvents({ config: config(), log, wanted, hasContents: true });
      return events[0]!.rows[0]!.contents;
    };
    expect(await contentsOf({ kind: 'id', id: small! })).toEqual({
      payload: '{"seq": 9007199254740993, "key":"k"}',
      headers: '{"a":"b"}',
      isLeftOut: false,
    });
    expect(await contentsOf({ kind: 'id', id: large! })).toEqual({
      payload: null,
      headers: null,
      isLeftOut: true,
    });
    const { position } = (await one(small!)).records[0]!;
    expect(await contentsOf({ kind: 'position', position: position! })).toMatchObject({
      headers: '{"a":"b"}',
    });
    expect((await one(small!)).rows[0]!.contents).toBeNull();
  });

  it('tells what cleanup, the audit and replays did with an event', async () => {
    const [id] = await world.write([{ key: 'k', seq: 1 }]);
    await world.read([id!]);
    const { committedAt } = (await one(id!)).records[0]!;
    await world.pool.query('delete from outbox.event where id = $1', [id]);
    expect(await one(id!)).toMatchObject({
      state: 'published',
      text: expect.stringContaining('cleanup has removed none'),
    });
    const day = committedAt.slice(0, 10);
    await world.pool.query(
      `insert into outbox.removal (relation, rows_before, removed_rows, archive)
         values ('outbox.event_other', $2::date + 2, 1, null), ('outbox.event_' || $1::text, $2::date + 1, 7, 'f.gz')`,
      [day.replaceAll('-', ''), day],
    );
    await world.pool.query(
      `insert into outbox.audit (slot, system_identifier, database_oid, outbox_table, started_at, started_because)
         values ($1, 's', 1, 'outbox.event', now(), 'first run');`,
      [world.slot],
    );
    await world.pool.query(
      `insert into outbox.audit_finding (slot, kind, event_id, topic, partition, "offset")
         values ($1, 'duplicate', $2, 't', 1, 7), ($1, 'missing', 'another', null, null, null)`,
      [world.slot, id],
    );
    await world.pool.query(
      `insert into outbox.replay (id, slot, range, facts, is_first, total, started_at, updated_at)
         select name, $1, range::jsonb, '{"order":"commit"}', false, 1, now(), now()
           from (values ('covers', $2::text), ('does-not', '{"ids":["another"]}')) as given(name, range)`,
      [world.slot, JSON.stringify({ ids: [id] })],
    );
    await world.pool.query(
      `insert into outbox.action (slot, action, target, person, note) values ($1, 'replay', 'covers', 'ada', 'lost')`,
      [world.slot],
    );
    await world.pool.query(
      `insert into outbox.replay_refusal (replay_id, event_id, code, message) values ('covers', $1, 'SCHEMA_MISSING', 'gone')`,
      [id],
    );
    const event = await one(id!);
    expect(event).toMatchObject({
      state: 'row-removed',
      text: expect.stringContaining(`cleanup dropped outbox.event_${day.replaceAll('-', '')}`),
      findings: [{ kind: 'duplicate', topic: 't', partition: 1, offset: '7' }],
      replays: [{ id: 'covers', person: 'ada', reason: 'lost', how: 'refused', why: 'SCHEMA_MISSING: gone' }],
    });
    expect(event.story.map(({ what }) => what).sort()).toEqual([
      'committed',
      'finding',
      'published',
      'replayed',
      'row-removed',
    ]);
  });

  it('names the topics that it did not read, and reads them when it is told to', async () => {
    const prefix = unique('many');
    const topics = Array.from({ length: 21 }, (_, n) => `${prefix}.${String.fromCharCode(97 + n)}`);
    await createTopics(topics.map((topic) => ({ topic, numPartitions: 1 })));
    const many = { OUTBOX_RELAY_TOPICS_ALLOW: `${prefix}.*` };
    const by = { kind: 'id' as const, id: notAnEvent };
    const found = await find(by, many);
    expect(found).toMatchObject({ events: [], unread: [{ topic: topics[20], partition: null }] });
    expect(found.notes.at(-1)).toBe(
      `This was not read at all, and may have it: ${topics[20]}. Look there by topic.`,
    );
    const there = await findEvents({
      config: config(many),
      log,
      wanted: { by, since: null, until: null, topics: [topics[20]!, `${prefix}.absent`] },
    });
    expect(there).toMatchObject({
      unread: [],
      absent: [`${prefix}.absent`],
      looked: [{ topic: topics[20] }],
    });
    const elsewhere = { by, since: null, until: null, topics: ['_schemas'] };
    await expect(findEvents({ config: config(many), log, wanted: elsewhere })).rejects.toThrow(
      'topics.allow',
    );
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

  it('ends with the exit code of why a part was not read, and not with that of an event that was not found', async () => {
    const [id] = await world.write([{ key: 'k', seq: 1 }]);
    await world.read([id!]);
    const changed = (part: 'password' | 'pathname', value: string) => {
      const url = new URL(world.database.url);
      url[part] = value;
      return { DATABASE_URL: url.href };
    };
    const refused = changed('password', 'wrong');
    const away = { KAFKA_BROKERS: '127.0.0.1:1', OUTBOX_RELAY_KAFKA_CONNECT_TIMEOUT_MS: '500' };
    const codeOf = async (env: Record<string, string>, name: string) =>
      (await world.commandWith(env, 'find', name)).code;
    expect(await codeOf(refused, notAnEvent)).toBe(77);
    expect(await codeOf(changed('pathname', '/nobody_made_it'), notAnEvent)).toBe(78);
    expect(await codeOf(away, notAnEvent)).toBe(69);
    const seen = await world.commandWith(refused, 'find', id!);
    expect(seen).toMatchObject({ code: 77, stdout: expect.stringMatching(/record +\S+, partition \d/) });
    expect(seen.stdout).toContain('! Not read: the outbox table');
    // Where only the registry refuses, all of the event is there but the versions of its schema.
    await using gate = await RegistryGate.open(world.env.SCHEMA_REGISTRY_URL!);
    gate.instead = () => ({ status: 401, body: '' });
    const withoutVersions = await world.commandWith({ SCHEMA_REGISTRY_URL: gate.url }, 'find', id!);
    expect(withoutVersions).toMatchObject({
      code: 77,
      stdout: expect.stringContaining('REGISTRY_UNAUTHORIZED'),
    });
  });

  it('takes rows that row-level security hides for unknown', async () => {
    const [id] = await world.write([{ key: 'k', seq: 1 }]);
    await world.read([id!]);
    const { env, drop } = await makeOperator(world.database);
    await world.pool.query('alter table outbox.event enable row level security');
    try {
      const hidden = await find({ kind: 'id', id: id! }, env);
      expect(hidden.missing.rows).toMatchObject({ code: 'POSTGRES_ROWS_HIDDEN' });
      // Kafka has it all the same.
      expect(hidden.events).toMatchObject([{ id, state: 'published', rows: [] }]);
      expect((await find({ kind: 'key', key: 'k' }, env)).notes.join()).toContain('table could not be read');
    } finally {
      await world.pool.query('alter table outbox.event disable row level security');
      await drop();
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
    // Once Postgres has noticed that the relay is gone.
    await expect
      .poll(() => one(waiting!))
      .toMatchObject({ state: 'waiting', reasons: [expect.stringContaining('The relay: Not streaming')] });

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
    await expect.poll(async () => (await one(waiting!)).state).toBe('waiting');
  });

  it('finds the record of a row that was changed after it was published', async () => {
    world = await World.create(1);
    await using own = world;
    const relay = own.startRelay();
    await relay.streaming();
    const [id] = await own.write([{ key: 'changed', seq: 1 }]);
    await own.read([id!]);
    await relay.kill();
    // The row now says a transaction that the progress, as it was an hour after the record, does not cover.
    await own.pool.query(`begin;
      set local session_replication_role = replica;
      update outbox.event set created_at = created_at where id = '${id}';
      update outbox.progress set covered_at = clock_timestamp() + interval '1 hour';
      commit`);
    expect(await one(id!)).toMatchObject({ state: 'published', records: [{ id }] });
  });

  it('does not call a lost event published, nor found because the audit started again', async () => {
    world = await World.create(1);
    await using own = world;
    await own.startRelay().streaming();
    await own.read(await own.write([{ key: 'k', seq: 1 }]));
    // What is written into a partition while it is detached is not in the publication.
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    const { rows } = await own.pool.query<{ bounds: string }>(
      'select pg_get_expr(relpartbound, oid) as bounds from pg_class where oid = $1::regclass',
      [`outbox.event_${day}`],
    );
    const id = '5f0c1a52-0d4f-4c6e-9f59-6f0a0b6c1d2e';
    await own.pool.query(`begin;
      alter table outbox.event detach partition outbox.event_${day};
      insert into outbox.event_${day} (id, aggregatetype, aggregateid, type, payload)
        select '${id}', aggregatetype, aggregateid, type, payload from outbox.event_${day} limit 1;
      alter table outbox.event attach partition outbox.event_${day} ${rows[0]!.bounds};
      commit`);
    expect(await own.command('audit', '--once')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining(id),
    });
    await expect.poll(async () => (await one(id)).rows[0]!.progress, { timeout: 50_000 }).toBe('covered');
    const lost = await own.command('find', id);
    expect(lost).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('the relay should have published it or made it a dead letter'),
    });
    expect(lost.stdout).toContain('The audit found it missing');
    await own.command('audit', '--once', '--start', 'first', '--reason', 'a test');
    const again = await own.command('find', id);
    expect(again.code).toBe(1);
    expect(again.stdout).toContain('The audit started again, and forgot that it had found it missing');
    expect(again.stdout).not.toContain('after all');
  });
});
