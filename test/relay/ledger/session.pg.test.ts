/** What a session may write about dead letters, and what it takes back of earlier ones. */
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Capture } from '../../../relay/capture/capture.ts';
import { createSlot } from '../../../relay/capture/slot.ts';
import type { Refusal } from '../../../relay/encode/record.ts';
import { storeDecisions } from '../../../relay/ledger/decisions.ts';
import { type Release, readRequest, untilVisible } from '../../../relay/ledger/key-releases.ts';
import { beginSession } from '../../../relay/ledger/session.ts';
import { formatLsn } from '../../../relay/model/position.ts';
import type { Progress } from '../../../relay/model/progress.ts';
import { listParkedKeys } from '../../../relay/operations/dead-letters/release-keys.ts';
import { readDatabaseState } from '../../../relay/session/database-state.ts';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { unique } from '../../support/unique.ts';
import { blankRow } from '../capture/rows.ts';
import { configOf } from '../settings.ts';
import { progressAt as progressOfSlotAt } from './progress-at.ts';

const slot = unique('slot').replaceAll('-', '_');
let database: TestDatabase;
let pool: pg.Pool;
/** Has the slot, as a session that begins must. */
let capture: Capture;
beforeAll(async () => {
  database = await createMigratedDatabase();
  pool = database.pool;
  const config = configOf({ SLOT: slot }, { databaseUrl: database.url });
  await createSlot(config);
  capture = await Capture.open(config);
});
afterAll(async () => {
  await capture?.close();
  await database?.drop();
});
beforeEach(() =>
  pool.query(
    'truncate outbox.dead_letter cascade; truncate outbox.parked_key, outbox.key_release, outbox.progress',
  ),
);

const key = { topic: 'orders', key: 'k' };

const progressAt = (endLsn: bigint, partial?: Progress['partial']) => progressOfSlotAt(slot, endLsn, partial);

const deadLetter = (commitLsn: bigint, ordinal = 0, more: Partial<Refusal> = {}): Refusal => ({
  position: { commitLsn, ordinal },
  committedAtMs: 0,
  row: { ...blankRow, id: `${commitLsn}.${ordinal}`, aggregateid: key.key, payload: '{}' },
  code: 'KEY_PARKED',
  message: '',
  path: null,
  topic: key.topic,
  subject: null,
  schemaId: null,
  ...more,
});

const nothing = { deadLetters: [], parked: [], releases: [] };
const begin = (progress: Progress, walSenderPid = capture.walSenderPid) =>
  beginSession(pool, progress, 'publication', { walSenderPid });

async function letters(): Promise<string[]> {
  const { rows } = await pool.query<{ one: string }>(
    `select commit_lsn || '.' || ordinal || ' ' || status as one from outbox.dead_letter order by commit_lsn, ordinal`,
  );
  return rows.map(({ one }) => one);
}

async function request(): Promise<number> {
  const { rows } = await pool.query<{ id: string }>(
    `select outbox.request_release('${slot}', $1, $2, 'somebody') as id`,
    [key.topic, key.key],
  );
  return Number(rows[0]?.id);
}

const releaseAt = (lsn: bigint, more: Partial<Release>): Release => ({
  request: 0,
  key,
  lsn,
  outcome: 'released',
  published: [],
  refused: [],
  movedTo: undefined,
  ...more,
});

test.each(['54000', '22021', '57014'])(
  'what Postgres cannot store with its payload (%s) is stored without, and an outage is none of that',
  async (code) => {
    const { session } = await begin(progressAt(0x100n));
    await pool.query(`
      create function public.refuse() returns trigger language plpgsql as $$
        begin if length(new.payload) > 70000 then raise sqlstate '${code}'; end if; return new; end $$;
      create trigger refuse before insert on outbox.dead_letter for each row execute function public.refuse()`);
    try {
      const { row } = deadLetter(0x200n);
      const large = deadLetter(0x300n, 0, { row: { ...row, payload: '"x"'.repeat(50_000), headers: '{}' } });
      await storeDecisions(pool, session, { ...nothing, deadLetters: [deadLetter(0x200n), large] });
    } finally {
      await pool.query('drop function public.refuse cascade');
    }
    const { rows } = await pool.query(
      `select payload, headers, context -> 'leftOut' as left_out from outbox.dead_letter order by commit_lsn`,
    );
    expect(rows).toEqual([
      { payload: '{}', headers: null, left_out: null },
      { payload: null, headers: '{}', left_out: { rowBytes: 150_002, payload: 150_000 } },
    ]);
  },
);

test('a relay whose stream has failed begins while nobody has the slot and nobody has begun since, and else not', async () => {
  const free = unique('slot').replaceAll('-', '_');
  await createSlot(configOf({ SLOT: free }, { databaseUrl: database.url }));
  const beginAfter = (lastSession: number, of = free) =>
    beginSession(pool, { ...progressAt(0x100n), slot: of }, 'publication', { walSenderPid: 1, lastSession });
  const { session } = await beginAfter(0);
  await storeDecisions(pool, session, { ...nothing, deadLetters: [deadLetter(0x200n)] });
  await expect(beginAfter(0)).rejects.toMatchObject({ code: 'SLOT_IN_USE' });
  expect(await letters()).toEqual(['0/200.0 parked']);
  expect((await beginAfter(1)).reread).toBe(1);
  // Somebody has the other slot.
  await expect(beginAfter(0, slot)).rejects.toMatchObject({ code: 'SLOT_IN_USE' });
});

describe('a session that was succeeded', () => {
  test('before it began takes nothing back of what its successor stored and committed', async () => {
    const { session } = await begin(progressAt(0x100n));
    await storeDecisions(pool, session, { ...nothing, deadLetters: [deadLetter(0x200n)] });
    await expect(begin(progressAt(0x100n), 1)).rejects.toMatchObject({ code: 'SLOT_IN_USE' });
    expect(await letters()).toEqual(['0/200.0 parked']);
    await storeDecisions(pool, session, { ...nothing, deadLetters: [deadLetter(0x300n)] });
    expect(await letters()).toHaveLength(2);
  });

  test('no longer writes dead letters, and its successor does', async () => {
    const { session: old } = await begin(progressAt(0x100n));
    const { session } = await begin(progressAt(0x100n));
    const decisions = { ...nothing, deadLetters: [deadLetter(0x200n)] };
    await expect(storeDecisions(pool, old, decisions)).rejects.toMatchObject({ code: 'PRODUCER_FENCED' });
    expect(await letters()).toEqual([]);
    await storeDecisions(pool, session, decisions);
    expect(await letters()).toEqual(['0/200.0 parked']);
  });

  test('that is in the middle of writing is waited for, and what it wrote is taken back', async () => {
    const { session: old } = await begin(progressAt(0x100n));
    const client = await pool.connect();
    await client.query('begin; select from outbox.progress where session = 1 for share');
    await client.query(
      `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message) values ('${slot}', '0/200', 0, 'X', '')`,
    );
    let hasBegun = false;
    const next = begin(progressAt(0x100n)).then((begun) => {
      hasBegun = true;
      return begun;
    });
    await vi.waitFor(
      async () => {
        const waiting = await pool.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        expect(waiting.rowCount).toBe(1);
      },
      { timeout: 30_000 },
    );
    expect(hasBegun).toBe(false);
    await client.query('commit');
    client.release();
    expect(await next).toMatchObject({ reread: 1, session: { number: old.number + 1 } });
    expect(await letters()).toEqual(['0/200.0 resubmitted']);
  });
});

describe('a session begins', () => {
  test('with the keys that the progress covers, and without those beyond it', async () => {
    const { session } = await begin(progressAt(0x100n));
    await storeDecisions(pool, session, {
      ...nothing,
      deadLetters: [deadLetter(0x200n), deadLetter(0x300n, 4), deadLetter(0x300n, 5)],
      parked: [
        { ...key, since: { commitLsn: 0x200n, ordinal: 0 } },
        { topic: 'orders', key: 'in the part that is covered', since: { commitLsn: 0x300n, ordinal: 4 } },
        { topic: 'orders', key: 'in the part behind', since: { commitLsn: 0x300n, ordinal: 5 } },
      ],
    });
    const begun = await begin(progressAt(0x280n, { commitLsn: 0x300n, ordinal: 5 }));
    expect(begun.parked.map((parked) => parked.key)).toEqual(['k', 'in the part that is covered']);
    expect(begun.reread).toBe(1);
    expect(await letters()).toEqual(['0/200.0 parked', '0/300.4 parked', '0/300.5 resubmitted']);
  });

  test('with a release undone that the progress does not cover, and keeps one that it does', async () => {
    const { session } = await begin(progressAt(0x100n));
    await storeDecisions(pool, session, {
      ...nothing,
      deadLetters: [deadLetter(0x200n, 0, { code: 'PAYLOAD_INVALID' }), deadLetter(0x210n)],
      parked: [{ ...key, since: { commitLsn: 0x200n, ordinal: 0 } }],
    });
    const id = await request();
    const limits = { events: 10, bytes: 1_000 };
    const requested = await readRequest(pool, slot, id, limits);
    const published = requested!.events.map(({ position }) => position);
    expect(published).toEqual([
      { commitLsn: 0x200n, ordinal: 0 },
      { commitLsn: 0x210n, ordinal: 0 },
    ]);
    const releases = [releaseAt(0x400n, { request: id, published })];
    await storeDecisions(pool, session, { ...nothing, releases });
    expect(await letters()).toEqual(['0/200.0 released', '0/210.0 released']);

    // The transaction at 0/400 ends above 0/400, so a progress that ends there does not cover it.
    const again = await begin(progressAt(0x400n));
    expect(again.parked).toEqual([key]);
    expect(await letters()).toEqual(['0/200.0 open', '0/210.0 parked']);
    expect((await readRequest(pool, slot, id, limits))?.events).toHaveLength(2);

    await storeDecisions(pool, again.session, { ...nothing, releases });
    expect((await begin(progressAt(0x401n))).parked).toEqual([]);
    expect(await letters()).toEqual(['0/200.0 released', '0/210.0 released']);
    expect(await readRequest(pool, slot, id, limits)).toBeUndefined();
  });
});

test('a release is cut by number and by bytes, takes one at least, and nothing from before the key was parked', async () => {
  const { session } = await begin(progressAt(0x100n));
  await storeDecisions(pool, session, {
    ...nothing,
    deadLetters: [0x200n, 0x300n, 0x400n, 0x500n].map((lsn) => deadLetter(lsn)),
    parked: [{ ...key, since: { commitLsn: 0x300n, ordinal: 0 } }],
  });
  const id = await request();
  const lsnsWithin = async (events: number, bytes: number) => {
    const requested = await readRequest(pool, slot, id, { events, bytes });
    const { events: read, next } = requested!;
    return [read.map(({ position }) => formatLsn(position.commitLsn)), next && formatLsn(next.commitLsn)];
  };
  expect(await lsnsWithin(10, 100)).toEqual([['0/300', '0/400', '0/500'], undefined]);
  expect(await lsnsWithin(2, 100)).toEqual([['0/300', '0/400'], '0/500']);
  expect(await lsnsWithin(10, 1)).toEqual([['0/300'], '0/400']);
});

test('an event that a statement by hand took away meanwhile undoes the release', async () => {
  const { session } = await begin(progressAt(0x100n));
  const published = [{ commitLsn: 0x200n, ordinal: 0 }];
  await expect(
    storeDecisions(pool, session, { ...nothing, releases: [releaseAt(0x400n, { published })] }),
  ).rejects.toMatchObject({ class: 'retry' });
});

test('two who ask for a key are one request, and a key that is not parked is none', async () => {
  const { session } = await begin(progressAt(0x100n));
  expect(await request()).toBe(0);
  const parked = [{ ...key, since: { commitLsn: 0x200n, ordinal: 0 } }];
  await storeDecisions(pool, session, { deadLetters: [deadLetter(0x200n)], parked, releases: [] });
  const [one, another] = await Promise.all([request(), request()]);
  expect(one).toBe(another);
  expect(one).toBeGreaterThan(0);
  expect((await pool.query('select from outbox.heartbeat')).rowCount).toBe(0);
});

describe('after an adoption', () => {
  const givenUp = { id: 'adoption', systemIdentifier: '1', endLsn: 0x500n };
  const published = [{ commitLsn: 0x200n, ordinal: 0 }];
  const parked = [{ ...key, since: { commitLsn: 0x200n, ordinal: 0 } }];
  const releases = [releaseAt(0x400n, { published, outcome: 'limited' })];

  test('all parking ends, once, and what was released stays so whatever the progress', async () => {
    const { session } = await begin(progressAt(0x100n));
    const deadLetters = [deadLetter(0x200n), deadLetter(0x210n)];
    await storeDecisions(pool, session, { deadLetters, parked, releases: [] });
    await storeDecisions(pool, session, { ...nothing, releases });
    const own = await begin({ ...progressAt(0x300n), givenUp });
    expect(own.parked).toEqual([]);
    expect(await letters()).toEqual(['0/200.0 released', '0/210.0 open']);

    // A session that dies before its first commit leaves the same progress, and decisions beyond it.
    const since = { commitLsn: 0x310n, ordinal: 0 };
    const refused = deadLetter(0x310n, 0, { code: 'PAYLOAD_INVALID' });
    await storeDecisions(pool, own.session, {
      ...nothing,
      deadLetters: [refused],
      parked: [{ ...key, since }],
    });
    const lost = [releaseAt(0x320n, { published: [since] })];
    await storeDecisions(pool, own.session, { ...nothing, releases: lost });
    await begin({ ...progressAt(0x300n), givenUp });
    expect((await letters()).at(-1)).not.toBe('0/310.0 released');
  });

  test('a release that the given up progress does not cover has published nothing', async () => {
    const { session } = await begin(progressAt(0x100n));
    await storeDecisions(pool, session, { deadLetters: [deadLetter(0x200n)], parked, releases: [] });
    await storeDecisions(pool, session, { ...nothing, releases });
    await begin({
      ...progressAt(0x300n),
      systemIdentifier: '2',
      givenUp: { ...givenUp, endLsn: 0x400n },
    });
    expect(await letters()).toEqual(['0/200.0 open']);
  });

  test('dead letters, keys and releases of another cluster are not taken back', async () => {
    const { session } = await begin(progressAt(0x100n));
    const deadLetters = [deadLetter(0x200n), deadLetter(0x210n), deadLetter(0x220n, 0, { topic: 'another' })];
    await storeDecisions(pool, session, { deadLetters, parked, releases: [] });
    const done = await request();
    await storeDecisions(pool, session, { ...nothing, releases: [{ ...releases[0]!, request: done }] });
    const pending = await request();
    // The server's WAL has passed these positions long ago, the progress has not.
    for (const endLsn of [0x80n, 0x90n]) {
      const begun = await begin({ ...progressAt(endLsn), systemIdentifier: '2' });
      expect(begun).toMatchObject({ reread: 0, parked: [] });
    }
    expect(await letters()).toEqual(['0/200.0 released', '0/210.0 open', '0/220.0 open']);
    const { rows } = await pool.query('select id, outcome from outbox.key_release order by id');
    expect(rows).toEqual([done, pending].map((id) => ({ id: String(id), outcome: 'limited' })));
  });

  test('an event at the position of an old dead letter gets a dead letter of its own, and an old one does not wait for a release', async () => {
    const { session } = await begin(progressAt(0x100n));
    await storeDecisions(pool, session, {
      ...nothing,
      deadLetters: [deadLetter(0x200n), deadLetter(0x400n)],
    });
    await pool.query(`
      update outbox.dead_letter set status = 'resubmitted', context = '{"reread": true}' where commit_lsn = '0/200';
      insert into outbox.dead_letter_action (slot, commit_lsn, ordinal, action, from_status, to_status, person)
        select slot, commit_lsn, ordinal, 'fix', 'open', 'open', 'somebody' from outbox.dead_letter`);
    const begun = await begin({ ...progressAt(0x80n), systemIdentifier: '2' });
    const id = (name: string) => ({ ...deadLetter(0x200n).row, id: name });
    const again = deadLetter(0x200n, 0, { row: id('new'), code: 'PAYLOAD_INVALID' });
    const decisions = { ...nothing, deadLetters: [again, deadLetter(0x200n, 1)], parked };
    await storeDecisions(pool, begun.session, decisions);
    const trailed = `select letter.commit_lsn || ' ' || event_id || ' ' || status || ' ' || count(action.id) as one
      from outbox.dead_letter as letter left join outbox.dead_letter_action as action using (slot, commit_lsn, ordinal)
      group by letter.slot, letter.commit_lsn, letter.ordinal order by commit_lsn, ordinal`;
    const shown = async () => (await pool.query<{ one: string }>(trailed)).rows.map(({ one }) => one);
    expect(await shown()).toEqual([
      '0/200 new open 0',
      '0/200 512.1 parked 0',
      '0/200 512.0 resubmitted 1',
      '0/400 1024.0 open 1',
    ]);
    // Stored again after a crash it stays the one that it is.
    const next = await begin({ ...progressAt(0x80n), systemIdentifier: '2' });
    expect(next.reread).toBe(2);
    await storeDecisions(pool, next.session, decisions);
    expect((await shown())[0]).toBe('0/200 new open 0');
    const requested = await readRequest(pool, slot, await request(), { events: 10, bytes: 1_000 });
    expect(requested!.events.map(({ row }) => row.id)).toEqual(['new', '512.1']);
    const [waiting] = await listParkedKeys(pool, slot, {});
    expect(waiting).toMatchObject({ open: 1, parked: 1 });
  });
});

test('a transaction that came on the stream is waited for until it shows', async () => {
  const client = await pool.connect();
  await client.query('begin');
  const { rows } = await client.query<{ xid: string }>(
    'select (pg_current_xact_id()::text::bigint & 4294967295)::text as xid',
  );
  const xid = Number(rows[0]?.xid);
  let isVisible = false;
  const waiting = untilVisible(pool, xid).then(() => {
    isVisible = true;
  });
  await pool.query('select pg_sleep(0.05)');
  expect(isVisible).toBe(false);
  await client.query('commit');
  client.release();
  await waiting;
  await untilVisible(pool, xid);
});

describe('retention', () => {
  const left = async () => (await letters()).map((one) => one.split(' ')[1]);
  const purge = async (keep: number) =>
    (
      await pool.query<{ purged: string }>(
        `select outbox.purge_dead_letters_beyond('${slot}', $1, array['resubmitted', 'discarded', 'released']) as purged`,
        [keep],
      )
    ).rows[0]?.purged;

  test('by count removes the ones closed first, none that is open or parked, none whose release may be undone', async () => {
    await begin(progressAt(0x1000n));
    await pool.query(
      `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message, status, closed_at, released_lsn)
       select '${slot}', ('0/' || n || '00')::pg_lsn, 0, 'X', '', status, now() - n * interval '1 hour', released::pg_lsn
         from (values (1, 'open', null), (2, 'parked', null), (3, 'discarded', null), (4, 'released', '0/900'),
                      (5, 'resubmitted', null), (6, 'released', '0/1000')) as t (n, status, released)`,
    );
    expect(await purge(4)).toBe('0');
    expect(await purge(2)).toBe('1');
    expect(await left()).toEqual(['open', 'parked', 'discarded', 'released', 'released']);
    expect(await purge(1)).toBe('1');
    expect(await left()).toEqual(['open', 'parked', 'discarded', 'released']);
  });
});

test('neither begins nor stores anything on another server than the one that streams', async () => {
  const before = await letters();
  const hold = { walSenderPid: capture.walSenderPid };
  const beginAt = (serverStart: string | undefined) =>
    beginSession(pool, progressAt(0x100n), 'publication', { ...hold, serverStart });
  const moved = { code: 'POSTGRES_MOVED', class: 'retry' };
  await expect(beginAt('another time')).rejects.toMatchObject(moved);
  const { session } = await beginAt(capture.serverStart);
  const elsewhere = { ...session, serverStart: 'another time' };
  const stored = storeDecisions(pool, elsewhere, { ...nothing, deadLetters: [deadLetter(0x900n)] });
  await expect(stored).rejects.toMatchObject(moved);
  await expect(
    readDatabaseState(pool, slot, { ...captured(), serverStart: 'another time' }),
  ).rejects.toMatchObject(moved);
  expect((await readDatabaseState(pool, slot, captured())).systemIdentifier).toBe(
    capture.system.systemIdentifier,
  );
  expect(await letters()).toEqual(before);
});

const captured = () => ({
  system: capture.system,
  walSenderPid: capture.walSenderPid,
  serverStart: capture.serverStart,
});
