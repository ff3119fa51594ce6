/** What a release publishes, passes and leaves under each policy, and what a session takes back of it. */
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { OutboxEvent } from '../../../relay/capture/event.ts';
import type { Policy } from '../../../relay/config/policy-names.ts';
import type { Encoder } from '../../../relay/encode/encoder.ts';
import { releasePaused } from '../../../relay/ledger/control.ts';
import { storeDecisions } from '../../../relay/ledger/decisions.ts';
import { beginDecisions, type Session } from '../../../relay/ledger/session.ts';
import { takeBackParking, takeBackReleases } from '../../../relay/ledger/take-back.ts';
import { pageOfParkedKeys } from '../../../relay/operations/dead-letters/parked-keys.ts';
import { Refusals } from '../../../relay/refusals/refusals.ts';
import { releaseKeys } from '../../../relay/stream/release-keys.ts';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { unique } from '../../support/unique.ts';
import { blankRow, transactionOf } from '../capture/rows.ts';
import { progressAt } from '../ledger/progress-at.ts';
import { recordOf } from '../publish/records.ts';
import { bad, refusalOf } from '../refusals/refused.ts';
import { configOf } from '../settings.ts';

const slot = unique('slot').replaceAll('-', '_');
const key = { topic: 'orders', key: 'k' };
const aside = new Set<string>();
let routedTo = key.topic;
const asides = { setsAside: true, isSetAside: (topic: string) => aside.has(topic) };

let database: TestDatabase;
let pool: pg.Pool;
let session: Session;
beforeAll(async () => {
  database = await createMigratedDatabase();
  pool = database.pool;
});
afterAll(() => database?.drop());
beforeEach(async () => {
  await pool.query(
    'truncate outbox.dead_letter cascade; truncate outbox.parked_key, outbox.key_release, outbox.progress, outbox.pause',
  );
  aside.clear();
  routedTo = key.topic;
  session = await beginDecisions(pool, slot, '1', 'now');
});

/** Refuses a payload that says so. */
const encoder = {
  encode: async (events: readonly OutboxEvent[]) =>
    events.map(({ position, row }) =>
      row.payload === 'bad'
        ? { ...refusalOf(bad(row.aggregateid), position), row }
        : recordOf({ topic: routedTo, key: row.aggregateid!, headers: { id: row.id! } }),
    ),
} as unknown as Encoder;

/** The key waits, since its first event: `bad` ones were refused, `new` ones would be refused now. */
async function park(
  payloads: readonly ('good' | 'bad' | 'new')[],
  isPaused = false,
  from = 0x200n,
): Promise<void> {
  const deadLetters = payloads.map((payload, index) => {
    const position = { commitLsn: from + BigInt(index * 16), ordinal: 0 };
    const row = {
      ...blankRow,
      id: `e${index + 1}`,
      aggregateid: key.key,
      payload: payload === 'good' ? 'good' : 'bad',
    };
    const code = payload === 'bad' ? ('PAYLOAD_INVALID' as const) : ('KEY_PARKED' as const);
    return { ...refusalOf(bad(key.key), position), row, code };
  });
  const parked = [{ ...key, since: { commitLsn: from, ordinal: 0 }, isPaused }];
  await storeDecisions(pool, session, { deadLetters, parked, releases: [] });
}

async function request(): Promise<number> {
  const { rows } = await pool.query<{ id: string }>(
    `select outbox.request_release($1, $2, $3, 'ada') as id`,
    [slot, key.topic, key.key],
  );
  return Number(rows[0]!.id);
}

const configWith = (more: Record<string, number> = {}) =>
  configOf({ SLOT: slot, ...more }, { databaseUrl: database.url });

/** What the stream does at the place of the request. */
async function release(
  policy: Policy,
  requests: readonly number[],
  lsn = 0x1000n,
  maxTransactionEvents = 100,
) {
  const config = configWith();
  const limited = { ...config, publish: { ...config.publish, maxTransactionEvents } };
  const rules = { policy, policies: [], stormPercent: 100, stormMinEvents: 1 };
  const refusals = new Refusals(rules, [key], asides);
  const transaction = { ...transactionOf(lsn, 0), releases: requests, xid: 1 };
  const released = await releaseKeys({ config: limited, pool, encoder }, refusals, transaction);
  await storeDecisions(pool, session, { deadLetters: [], parked: [], releases: released.releases });
  return {
    published: released.records.map(({ headers }) => headers.id),
    outcomes: released.releases.map(({ outcome }) => outcome),
    newlyRefused: released.newlyRefused.map(({ row }) => row.id),
  };
}

/** As a session begins whose progress ends at `endLsn`. */
async function takeBack(endLsn: bigint): Promise<void> {
  const client = await pool.connect();
  const progress = progressAt(slot, endLsn);
  await takeBackReleases(client, progress);
  await takeBackParking(client, progress);
  client.release();
}

const letters = async () =>
  (
    await pool.query<{ one: string }>(
      `select event_id || ' ' || status || ' ' || code as one from outbox.dead_letter order by commit_lsn, ordinal`,
    )
  ).rows.map(({ one }) => one);
const parkedSince = async () =>
  (
    await pool.query<{ since: string }>(
      'select commit_lsn::text as since from outbox.parked_key where released_lsn is null order by commit_lsn',
    )
  ).rows.map(({ since }) => since);
const requests = async () =>
  (await pool.query('select outcome, published::int, refused::int from outbox.key_release order by id')).rows;

describe('a release under dead-letter', () => {
  const before = [
    'e1 open PAYLOAD_INVALID',
    'e2 parked KEY_PARKED',
    'e3 parked KEY_PARKED',
    'e4 parked KEY_PARKED',
  ];
  const passed = [
    'e1 open PAYLOAD_INVALID',
    'e2 released KEY_PARKED',
    'e3 open PAYLOAD_INVALID',
    'e4 released KEY_PARKED',
  ];

  test('passes what is refused again, leaves it as dead letters, and ends the parking', async () => {
    await park(['bad', 'good', 'new', 'good']);
    expect(await letters()).toEqual(before);
    expect(await release('dead-letter', [await request()])).toEqual({
      published: ['e2', 'e4'],
      outcomes: ['released'],
      newlyRefused: ['e3'],
    });
    expect(await letters()).toEqual(passed);
    expect(await parkedSince()).toEqual([]);
    expect(await requests()).toEqual([{ outcome: 'released', published: 2, refused: 2 }]);
  });

  test('is taken back as a whole where the progress does not cover it, and decided again with what was repaired', async () => {
    await park(['bad', 'good', 'new', 'good']);
    const id = await request();
    await release('dead-letter', [id]);
    await takeBack(0x1000n);
    expect(await letters()).toEqual([before[0], before[1], passed[2], before[3]]);
    expect(await parkedSince()).toEqual(['0/200']);
    expect(await requests()).toEqual([{ outcome: null, published: null, refused: null }]);
    await pool.query(`update outbox.dead_letter set payload = 'good' where event_id = 'e1'`);
    expect((await release('dead-letter', [id])).published).toEqual(['e1', 'e2', 'e4']);
    await takeBack(0x1001n);
    expect(await parkedSince()).toEqual([]);
  });

  test('that is cut at the limit waits from the next event on, so that the next one gets further', async () => {
    await park(['bad', 'bad', 'bad', 'good', 'bad', 'good']);
    expect(await release('dead-letter', [await request()], 0x1000n, 2)).toMatchObject({
      published: [],
      outcomes: ['limited'],
    });
    expect(await parkedSince()).toEqual(['0/220']);
    expect(await release('dead-letter', [await request()], 0x2000n, 2)).toMatchObject({ published: ['e4'] });
    expect(await parkedSince()).toEqual(['0/240']);
    expect(await release('dead-letter', [await request()], 0x3000n, 2)).toMatchObject({
      published: ['e6'],
      outcomes: ['released'],
    });
    expect(await parkedSince()).toEqual([]);

    // The progress covers the first: the key waits from where that one left it, and what is behind waits again.
    await takeBack(0x2000n);
    expect(await parkedSince()).toEqual(['0/220']);
    expect((await letters()).filter((one) => one.includes('parked'))).toEqual([
      'e4 parked KEY_PARKED',
      'e6 parked KEY_PARKED',
    ]);
  });

  test('that covers nothing leaves one row of the key, as before', async () => {
    await park(['bad', 'bad', 'good'], true);
    await release('dead-letter', [await request()], 0x1000n, 1);
    await release('dead-letter', [await request()], 0x1100n, 1);
    await takeBack(0x1000n);
    const { rows } = await pool.query(
      'select commit_lsn::text as since, is_paused, released_lsn, moved_lsn from outbox.parked_key',
    );
    expect(rows).toEqual([{ since: '0/200', is_paused: true, released_lsn: null, moved_lsn: null }]);
  });
});

test.each(['park-key', 'halt'] as const)(
  'a release under %s stops at what is refused again',
  async (policy) => {
    await park(['good', 'bad', 'good']);
    expect(await release(policy, [await request()])).toEqual({
      published: ['e1'],
      outcomes: ['refused'],
      newlyRefused: [],
    });
    expect(await letters()).toEqual([
      'e1 released KEY_PARKED',
      'e2 open PAYLOAD_INVALID',
      'e3 parked KEY_PARKED',
    ]);
    expect(await parkedSince()).toEqual(['0/200']);
    expect(await requests()).toEqual([{ outcome: 'refused', published: 1, refused: 1 }]);
  },
);

test('a release of a topic that is set aside publishes nothing, and says why', async () => {
  await park(['good']);
  aside.add(key.topic);
  expect(await release('dead-letter', [await request()])).toMatchObject({
    published: [],
    outcomes: ['set-aside'],
  });
  expect(await requests()).toEqual([{ outcome: 'set-aside', published: 0, refused: 0 }]);
  expect(await parkedSince()).toEqual(['0/200']);
});

test('so does a release to a topic that is set aside, where the settings have moved its events since', async () => {
  await park(['good', 'new']);
  routedTo = 'orders.v2';
  aside.add(routedTo);
  expect(await release('dead-letter', [await request()])).toEqual({
    published: [],
    outcomes: ['set-aside'],
    newlyRefused: [],
  });
  expect(await letters()).toEqual(['e1 parked KEY_PARKED', 'e2 parked KEY_PARKED']);
  expect(await parkedSince()).toEqual(['0/200']);
});

describe('when a topic is resumed', () => {
  const say = (what: 'pause' | 'resume') =>
    pool.query(
      what === 'pause'
        ? `select outbox.pause($1, 'orders', 'set-aside', null, 'ada', 'test')`
        : `select outbox.resume($1, 'orders', 'ada')`,
      [slot],
    );
  const ask = async () => {
    const underWay = await releasePaused(pool, slot, 'orders');
    const { rows } = await pool.query<{ id: string }>(
      'select id from outbox.key_release where outcome is null',
    );
    return { underWay, pending: rows.map(({ id }) => Number(id)) };
  };
  const isPausedKey = async () =>
    (await pageOfParkedKeys(configWith(), {}, 10)).keys.map(({ isPaused }) => isPaused);

  test('a key whose first event was refused is released too: once for each time', async () => {
    await say('pause');
    await park(['bad', 'good'], true);
    expect(await ask()).toEqual({ underWay: 0, pending: [] });
    expect(await isPausedKey()).toEqual([true]);

    for (let time = 1; time <= 2; time++) {
      await say('resume');
      const { underWay, pending } = await ask();
      expect([underWay, pending]).toEqual([1, [expect.any(Number)]]);
      expect(await release('park-key', pending, BigInt(0x1000 * time))).toMatchObject({
        outcomes: ['refused'],
      });
      // It is for a person now.
      expect(await ask()).toEqual({ underWay: 0, pending: [] });
      expect((await pool.query('select from outbox.pause')).rowCount).toBe(0);
      expect(await isPausedKey()).toEqual([false]);
      await say('pause');
      expect(await isPausedKey()).toEqual([true]);
    }

    await pool.query(`update outbox.dead_letter set payload = 'good' where event_id = 'e1'`);
    await say('resume');
    expect((await release('park-key', (await ask()).pending, 0x4000n)).published).toEqual(['e1', 'e2']);
    expect(await ask()).toEqual({ underWay: 0, pending: [] });
  });

  test('a release that met the pause does not count as the one for this time', async () => {
    await say('pause');
    await park(['bad', 'good'], true);
    await say('resume');
    aside.add(key.topic);
    expect(await release('park-key', (await ask()).pending)).toMatchObject({ outcomes: ['set-aside'] });
    aside.clear();
    routedTo = key.topic;
    expect(await ask()).toMatchObject({ underWay: 1 });
  });

  test('a key that was parked behind a refused event before stays parked', async () => {
    await park(['bad', 'good']);
    await say('pause');
    await say('resume');
    expect(await ask()).toEqual({ underWay: 0, pending: [] });
    expect(await parkedSince()).toEqual(['0/200']);
  });
});
