/** What resubmitting and discarding do in Postgres, with the rights of an operator and no others. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../../../relay/config/config.ts';
import { RequestInvalid } from '../../../../relay/errors.ts';
import { parseLetterName } from '../../../../relay/operations/dead-letters/letter.ts';
import { listLetters, readActions } from '../../../../relay/operations/dead-letters/read.ts';
import { requestRelease } from '../../../../relay/operations/dead-letters/release-keys.ts';
import {
  discard,
  previewClosing,
  resubmit,
} from '../../../../relay/operations/dead-letters/resubmit-discard.ts';
import { type LetterDatabase, openLetterDatabase } from './letters.ts';

let database: LetterDatabase;
let config: Config;
beforeAll(async () => {
  database = await openLetterDatabase();
  ({ config } = database.operator);
});
afterAll(() => database?.[Symbol.asyncDispose]());
beforeEach(() => database.pool.query('truncate outbox.dead_letter cascade; truncate outbox.event'));

type Discarding = Parameters<typeof discard>[0];

const closing = (more: Partial<Discarding> = {}): Discarding => ({
  config,
  selection: {},
  actor: { person: 'somebody', reason: 'test data' },
  ...more,
});

const eventsOf = (ids: readonly string[]) => ids.map((eventId) => ({ kind: 'event' as const, eventId }));

async function column(text: string): Promise<string[]> {
  const { rows } = await database.pool.query<{ one: string }>(text);
  return rows.map(({ one }) => one);
}
/** In the order in which they were inserted. */
const eventIds = () => column('select id::text as one from outbox.event order by ctid');
const statuses = () => column('select distinct status as one from outbox.dead_letter order by 1');

describe('resubmit', () => {
  test('writes the events with their ids, in the order of their positions, and a trail', async () => {
    const later = await database.leave('0/2000', 3);
    const earlier = await database.leave('0/1000', 2);
    const closed = await resubmit(closing({ actor: { person: 'somebody', reason: 'OPS-17' } }));
    expect(closed).toEqual({
      open: 5,
      unsettled: 0,
      leftOut: 0,
      withoutId: 0,
      ofParkedKeys: 0,
      beingReleased: 0,
      byCode: { SCHEMA_MISSING: 5 },
      done: 5,
      notAccepted: [],
    });
    expect(await eventIds()).toEqual([...earlier, ...later]);
    const { rows } = await database.pool.query(
      `select aggregatetype, aggregateid, type, payload, headers from outbox.event where id = $1`,
      [later[2]],
    );
    expect(rows).toEqual([
      {
        aggregatetype: 'item',
        aggregateid: 'k2',
        type: 'test.ItemMoved',
        payload: { seq: 2 },
        headers: { trace: '1' },
      },
    ]);
    const [letter] = await listLetters(
      database.pool,
      config.slot.name,
      { names: [{ kind: 'event', eventId: later[2]! }] },
      9,
    );
    expect(letter).toMatchObject({ status: 'resubmitted', position: '0000000000002000.00000002' });
    expect(await readActions(database.pool, config.slot.name, letter!)).toMatchObject([
      { action: 'resubmit', fromStatus: 'open', toStatus: 'resubmitted', person: 'somebody', note: 'OPS-17' },
    ]);
  });

  test('two at once write each event once, over several rounds', async () => {
    const ids = await database.leave('0/1000', 2_500);
    const both = await Promise.all([resubmit(closing()), resubmit(closing())]);
    expect(both.map(({ done }) => done).sort()).toEqual([0, 2_500]);
    expect(await eventIds()).toEqual(ids);
    expect(await column('select count(*) as one from outbox.dead_letter_action')).toEqual(['2500']);
  });

  test('leaves nothing behind when it is interrupted between its rounds', async () => {
    const ids = await database.leave('0/1000', 2_500);
    const interrupted = resubmit(
      closing({
        onProgress: (done) => {
          if (done > 1_000) throw new Error('interrupted');
        },
      }),
    );
    await expect(interrupted).rejects.toThrow('interrupted');
    expect(await eventIds()).toEqual([]);
    expect(await statuses()).toEqual(['open']);
    expect(await column('select id::text as one from outbox.dead_letter_action')).toEqual([]);
    expect(await resubmit(closing())).toMatchObject({ done: 2_500 });
    // Not by their places: a vacuum may have freed those of the interrupted one.
    expect((await eventIds()).toSorted()).toEqual(ids.toSorted());
  });

  test('leaves alone what the progress does not cover, for the relay may still decide otherwise', async () => {
    const ids = await database.leave('0/1000', 1);
    await database.leave('0/5000', 4);
    expect(await resubmit(closing())).toMatchObject({ open: 5, done: 1, unsettled: 4 });
    const partial = `update outbox.progress set partial_commit_lsn = $1, partial_ordinal = $2`;
    await database.pool.query(partial, ['0/5000', 3]);
    expect(await resubmit(closing())).toMatchObject({ open: 4, done: 3, unsettled: 1 });
    await database.pool.query(partial, [null, null]);
    expect((await eventIds()).slice(0, 1)).toEqual(ids);
  });

  test('takes what is of another cluster, where the database was before, whatever its position', async () => {
    const { pool } = database;
    await pool.query(`update outbox.progress set system_identifier = 'old'`);
    const old = await database.leave('F/0', 2);
    await pool.query(`update outbox.progress set system_identifier = 'new'`);
    try {
      await database.leave('F/0', 1);
      const moved = (await listLetters(pool, config.slot.name, { names: eventsOf(old) }, 2)).at(-1);
      expect(moved?.position).toBe('0000000f00000000.80000000');
      const discarded = await discard(closing({ selection: { names: [parseLetterName(moved!.position)] } }));
      expect(discarded).toMatchObject({ open: 1, unsettled: 0, done: 1 });
      expect(await resubmit(closing())).toMatchObject({ open: 2, unsettled: 1, done: 1 });
      expect(await eventIds()).toEqual([old.find((id) => id !== moved!.eventId)]);
    } finally {
      await pool.query('update outbox.progress set system_identifier = null');
    }
  });

  test('leaves alone what somebody holds, what is closed, and what has no id', async () => {
    const [held, closed, nameless] = await database.leave('0/1000', 4);
    await database.pool.query(`update outbox.dead_letter set status = 'discarded' where event_id = $1`, [
      closed,
    ]);
    await database.pool.query('update outbox.dead_letter set event_id = null where event_id = $1', [
      nameless,
    ]);
    const holder = await database.pool.connect();
    await holder.query('begin');
    await holder.query('select from outbox.dead_letter where event_id = $1 for update', [held]);
    expect(await resubmit(closing())).toMatchObject({ open: 3, done: 1, withoutId: 1 });
    await holder.query('rollback');
    holder.release();
    expect(await resubmit(closing())).toMatchObject({ open: 2, done: 1, withoutId: 1 });
    expect(await eventIds()).toHaveLength(2);
  });

  test('leaves alone what is of a parked key, and anything of a key that is being released', async () => {
    const {
      slot: { name: slot },
    } = config;
    await database.leave('0/1000', 3);
    await database.pool.query(`update outbox.dead_letter set topic = 't'`);
    await database.pool.query(
      `insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key) values ($1, '0/1000', 0, 't', 'k0')`,
      [slot],
    );
    expect(await resubmit(closing())).toMatchObject({ open: 3, done: 2, ofParkedKeys: 1 });
    await requestRelease(database.pool, slot, { topic: 't', key: 'k0' }, closing().actor);
    expect(await discard(closing())).toMatchObject({ open: 1, done: 0, beingReleased: 1 });
    await database.pool.query('truncate outbox.parked_key, outbox.key_release');
  });

  test('takes only what is selected', async () => {
    const [first] = await database.leave('0/1000', 3);
    const later = await database.leave('0/2000', 1);
    const names = [
      { kind: 'event', eventId: first! },
      { kind: 'position', position: { commitLsn: 0x2000n, ordinal: 0 } },
    ] as const;
    await resubmit(closing({ selection: { names } }));
    expect(await eventIds()).toEqual([first, ...later]);
    expect(await resubmit(closing({ selection: { keys: ['k2'], codes: ['SCHEMA_MISSING'] } }))).toMatchObject(
      {
        open: 1,
        done: 1,
      },
    );
    expect(await resubmit(closing({ selection: { types: ['another'] } }))).toMatchObject({ open: 0 });
    expect(await resubmit(closing({ selection: { since: new Date(Date.now() + 3_600_000) } }))).toMatchObject(
      {
        open: 0,
      },
    );
  });
});

describe('an outbox table of another shape', () => {
  const mapped = (columns: Partial<Config['outbox']['columns']> = {}, table = 'shop.messages'): Config => ({
    ...config,
    outbox: {
      table,
      partitionsDaysAhead: 0,
      columns: {
        ...config.outbox.columns,
        id: 'message_id',
        aggregateid: 'Entity "Key"',
        payload: 'body',
        headers: '',
        createdAt: '',
        ...columns,
      },
    },
  });
  beforeAll(async () => {
    await database.pool.query(`
      create schema shop;
      create table shop.messages (n bigint generated always as identity, message_id text primary key,
        aggregatetype varchar(20) not null, "Entity ""Key""" text, type text, body jsonb not null);
      grant usage on schema shop to outbox_operator;
      grant select, insert, delete on shop.messages to outbox_operator`);
  });
  beforeEach(() => database.pool.query('truncate shop.messages'));

  test('takes its events back, in place of the refused rows where the id is unique', async () => {
    const ids = await database.leave('0/1000', 3);
    await database.pool.query(
      `insert into shop.messages (message_id, aggregatetype, body) values ($1, 'item', '{"seq":"bad"}'), ('other', 'item', '1')`,
      [ids[1]],
    );
    expect(await resubmit(closing({ config: mapped() }))).toMatchObject({ done: 3 });
    const { rows } = await database.pool.query(
      'select message_id, "Entity ""Key""" as key, body from shop.messages order by n',
    );
    expect(rows).toEqual([
      { message_id: 'other', key: null, body: 1 },
      ...ids.map((id, seq) => ({ message_id: id, key: `k${seq}`, body: { seq } })),
    ]);
  });

  test('takes its events back where the id is of a type of an extension, whose operators are on no path of ours', async () => {
    await database.pool.query(
      'create extension citext schema public; alter table shop.messages alter message_id type public.citext',
    );
    try {
      const ids = await database.leave('0/1000', 2);
      await database.pool.query(
        `insert into shop.messages (message_id, aggregatetype, body) values ($1, 'item', '{"seq":"bad"}')`,
        [ids[1]],
      );
      expect(await resubmit(closing({ config: mapped() }))).toMatchObject({ done: 2 });
      const { rows } = await database.pool.query('select message_id from shop.messages order by n');
      expect(rows.map(({ message_id }) => message_id)).toEqual(ids);
    } finally {
      await database.pool.query(
        'alter table shop.messages alter message_id type text; drop extension citext',
      );
    }
  });

  test('refuses one row, and takes the others in their order', async () => {
    const ids = await database.leave('0/1000', 1_500);
    await database.pool.query(
      String.raw`update outbox.dead_letter set payload = '{"note":"\u0000"}' where ordinal = 3`,
    );
    await database.pool.query('update outbox.dead_letter set payload = null where ordinal = 1200');
    expect(await resubmit(closing({ config: mapped() }))).toMatchObject({
      open: 1_500,
      done: 1_498,
      notAccepted: [
        {
          position: '0000000000001000.00000003',
          why: expect.stringContaining(String.raw`\u0000, which jsonb`),
        },
        { position: '0000000000001000.000004b0', why: 'SQLSTATE 23502, table messages, column body' },
      ],
    });
    const left = ids.filter((_, ordinal) => ordinal !== 3 && ordinal !== 1_200);
    expect(await column('select message_id as one from shop.messages order by n')).toEqual(left);
    expect(
      await column(
        `select ordinal::text as one from outbox.dead_letter where status = 'open' order by ordinal`,
      ),
    ).toEqual(['3', '1200']);
    expect(await column('select count(*) as one from outbox.dead_letter_action')).toEqual(['1498']);
  });

  test('that refuses every row is named, and all stays as it was', async () => {
    await database.leave('0/1000', 3);
    await database.pool.query('update outbox.dead_letter set payload = null');
    await expect(resubmit(closing({ config: mapped() }))).rejects.toMatchObject({
      code: 'OUTBOX_TABLE_INVALID',
      message: expect.stringContaining('23502, table messages, column body'),
    });
    expect(await statuses()).toEqual(['open']);
    expect((await database.pool.query('select from shop.messages')).rowCount).toBe(0);
  });

  test('of an identity that is always generated takes the id back, and constraints are named', async () => {
    await database.pool.query(`
      create table shop.numbered (id bigint generated always as identity primary key, aggregatetype text,
        aggregateid text, type text, payload jsonb constraint small check (payload ->> 'seq' <> '2'));
      grant select, insert, delete on shop.numbered to outbox_operator`);
    await database.leave('0/1000', 3);
    await database.pool.query('update outbox.dead_letter set event_id = 9007199254740993 + ordinal');
    await database.pool.query(`update outbox.dead_letter set payload = '{"seq":2}'`);
    const columns = { id: 'id', aggregateid: 'aggregateid', payload: 'payload' };
    const numbered = { config: mapped(columns, 'shop.numbered') };
    await expect(resubmit(closing(numbered))).rejects.toMatchObject({
      code: 'OUTBOX_TABLE_INVALID',
      message: expect.stringContaining('SQLSTATE 23514, table numbered, constraint small'),
    });
    await database.pool.query('alter table shop.numbered drop constraint small');
    await database.pool.query(
      'alter table shop.numbered add column twice bigint generated always as (id * 2) stored',
    );
    expect(await resubmit(closing(numbered))).toMatchObject({ done: 3 });
    expect(await column('select id::text as one from shop.numbered order by id')).toEqual([
      '9007199254740993',
      '9007199254740994',
      '9007199254740995',
    ]);
    await database.leave('0/2000', 1);
    await database.pool.query(`update outbox.dead_letter set event_id = 2 where status = 'open'`);
    const generated = { config: mapped({ ...columns, id: 'twice' }, 'shop.numbered') };
    await expect(resubmit(closing(generated))).rejects.toMatchObject({
      code: 'OUTBOX_TABLE_INVALID',
      message: expect.stringMatching(/SQLSTATE 428C9/),
    });
  });

  test('without a column of the mapping is named', async () => {
    await expect(resubmit(closing({ config: mapped({ type: 'kind' }) }))).rejects.toMatchObject({
      code: 'OUTBOX_TABLE_INVALID',
      message: 'shop.messages has no column kind',
    });
  });
});

test('discard closes for good and writes nothing', async () => {
  await database.leave('0/1000', 2);
  await database.leave('0/6000', 1);
  expect(await discard(closing())).toMatchObject({ open: 3, done: 2, unsettled: 1 });
  expect(await resubmit(closing())).toMatchObject({ open: 1, done: 0 });
  expect(await eventIds()).toEqual([]);
  expect(await column(`select note as one from outbox.dead_letter_action where action = 'discard'`)).toEqual([
    'test data',
    'test data',
  ]);
});

test('a name that no dead letter has is refused before anything is changed', async () => {
  const [known] = await database.leave('0/1000', 1);
  const selection = { names: eventsOf([known!, 'nobody']) };
  for (const work of [
    () => previewClosing(config, selection),
    () => resubmit(closing({ selection })),
    () => discard(closing({ selection })),
  ])
    await expect(work()).rejects.toThrow(
      new RequestInvalid(`no dead letter nobody of slot ${config.slot.name}`),
    );
  expect(await statuses()).toEqual(['open']);
});
