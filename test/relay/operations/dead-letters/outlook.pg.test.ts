/** What is known of a cause before and after its repair, with the rights of an operator and no others. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Config } from '../../../../relay/config/config.ts';
import { pageOfDeadLetters } from '../../../../relay/operations/dead-letters/list.ts';
import { outlookOf } from '../../../../relay/operations/dead-letters/outlook.ts';
import { pageOfParkedKeys } from '../../../../relay/operations/dead-letters/parked-keys.ts';
import { resubmit } from '../../../../relay/operations/dead-letters/resubmit-discard.ts';
import { showDeadLetters } from '../../../../relay/operations/dead-letters/show.ts';
import { storePayloads } from '../../../../relay/operations/dead-letters/store-fixes.ts';
import { type LetterDatabase, openLetterDatabase } from './letters.ts';

let database: LetterDatabase;
let config: Config;
beforeAll(async () => {
  database = await openLetterDatabase();
  ({ config } = database.operator);
});
afterAll(() => database?.[Symbol.asyncDispose]());
beforeEach(() =>
  database.pool.query('truncate outbox.dead_letter, outbox.parked_key, outbox.key_release cascade'),
);

const lsn = '0/3000';
const position = (ordinal: number) => `0000000000003000.0000000${ordinal}`;
const bad = (n: number) => `{"n": "${n}"}`;

/** Leaves refused events, each with a key and a value of its own. */
async function leave(count: number): Promise<void> {
  await database.leave(lsn, count);
  await database.pool.query(
    `update outbox.dead_letter set payload = '{"n": "' || ordinal || '"}', path = '$.n', topic = 't',
            aggregateid = 'k' || ordinal, code = 'PAYLOAD_INVALID'`,
  );
}

const fix = (ordinal: number, before: string, after: string) =>
  storePayloads(config, [{ position: position(ordinal), before, after }], { person: 'ada', reason: null });

const park = (key: string, ordinal: number) =>
  database.pool.query(
    'insert into outbox.parked_key (slot, topic, key, commit_lsn, ordinal) values ($1, $2, $3, $4, $5)',
    [config.slot.name, 't', key, lsn, ordinal],
  );

const states = async () =>
  (await pageOfDeadLetters(config, { statuses: ['open'] }, 9)).letters.map(({ fixedAt, waitsFor, there }) => [
    fixedAt !== null,
    waitsFor,
    there.state === 'value' ? there.text : there.state,
  ]);

test('a fixed one says so, and what it waits for, until its fix is undone or it is refused again', async () => {
  await leave(4);
  await park('k1', 1);
  await fix(0, bad(0), '{"n": 0}');
  await fix(1, bad(1), '{"n": 1}');
  // Fixed twice, and the second fix undone: it has the first one.
  await fix(2, bad(2), '{"n": 2}');
  await fix(2, '{"n": 2}', '{"n": 3}');
  await fix(2, '{"n": 3}', '{"n": 2}');
  expect(await states()).toEqual([
    [true, 'resubmit', '0'],
    [true, 'release', '1'],
    [true, 'resubmit', '2'],
    [false, 'repair', '"3"'],
  ]);
  const selection = { statuses: ['open' as const] };
  expect(await outlookOf(config, selection)).toMatchObject({
    total: 4,
    read: 4,
    fixed: 3,
    notFixed: 1,
    waitsFor: { repair: 1, resubmit: 2, release: 1, 'release-under-way': 0, resume: 0 },
    values: { different: 4 },
  });
  await fix(0, '{"n": 0}', bad(0));
  await database.pool.query('update outbox.dead_letter set last_seen = now() where ordinal = 1');
  expect((await states()).map(([isFixed, waits]) => [isFixed, waits])).toEqual([
    [false, 'repair'],
    [false, 'repair'],
    [true, 'resubmit'],
    [false, 'repair'],
  ]);
});

test('what waits unseen is counted for the parked keys of the selection, each once', async () => {
  await leave(3);
  await park('k0', 0);
  await park('k1', 1);
  // Two refused events of one key; and events that wait behind it, behind another key, and behind one that is not chosen.
  await database.pool.query(`update outbox.dead_letter set aggregateid = 'k0' where ordinal = 2`);
  await database.leave('0/4000', 6);
  await database.pool.query(
    `update outbox.dead_letter set status = 'parked', code = 'KEY_PARKED', topic = case when ordinal = 5 then 'u' else 't' end,
            aggregateid = case when ordinal < 3 then 'k0' when ordinal = 3 then 'k7' else 'k1' end
      where commit_lsn = '0/4000'`,
  );
  const all = await outlookOf(config, { statuses: ['open'] });
  expect(all).toMatchObject({ total: 3, ofParkedKeys: 3, behind: { keys: 2, events: 4, isMore: false } });
  expect(new Date(all.at).getTime()).toBeGreaterThanOrEqual(new Date(all.lastRefused!).getTime());
  const one = await outlookOf(config, { statuses: ['open'], keys: ['k1'] });
  expect(one).toMatchObject({ total: 1, behind: { keys: 1, events: 1 } });
});

test('one that was refused before its key was parked waits for no release', async () => {
  await leave(2);
  // As where its topic was set aside when it was refused, and the key waits since the event behind it.
  await database.pool.query(`update outbox.dead_letter set aggregateid = 'k'`);
  await park('k', 1);
  await fix(0, bad(0), '{"n": 0}');
  await fix(1, bad(1), '{"n": 1}');
  expect((await states()).map(([, waits]) => waits)).toEqual(['resubmit', 'release']);
  expect(await outlookOf(config, {})).toMatchObject({ ofParkedKeys: 1, behind: { keys: 1 } });
  const actor = { person: 'ada', reason: null };
  const { done } = await resubmit({ config, selection: {}, actor });
  expect(done).toBe(1);
});

test('a parked key says how many of its open ones are fixed, and since when the first one is', async () => {
  await leave(3);
  await database.pool.query(`update outbox.dead_letter set aggregateid = 'k'`);
  await park('k', 0);
  const key = async () => (await pageOfParkedKeys(config, {}, 9)).keys[0]!;
  await fix(1, bad(1), '{"n": 1}');
  expect(await key()).toMatchObject({ open: 3, fixed: 1, firstFixedAt: null });
  await fix(0, bad(0), '{"n": 0}');
  expect(await key()).toMatchObject({ open: 3, fixed: 2, firstFixedAt: expect.stringMatching(/Z$/) });
});

test('a released one says who released it, and not who released another key in the same transaction', async () => {
  await leave(3);
  await database.pool.query(
    `update outbox.dead_letter set status = 'released', released_lsn = '0/4000' where ordinal < 2`,
  );
  await database.pool.query(
    `insert into outbox.key_release (slot, topic, key, person, note, processed_lsn, outcome, published, processed_at)
     values ($1, 't', 'k1', 'ada', 'OPS-1', '0/4000', 'released', 1, now()),
            ($1, 't', 'k1', 'bob', null, '0/3f00', 'refused', 0, now()), ($1, 't', 'k9', 'eve', null, '0/4000', 'released', 1, now())`,
    [config.slot.name],
  );
  const releaseOf = async (ordinal: number) => (await showDeadLetters(config, position(ordinal)))[0]!.release;
  expect(await releaseOf(1)).toMatchObject({
    person: 'ada',
    note: 'OPS-1',
    processedAt: expect.stringMatching(/Z$/),
  });
  expect(await releaseOf(0)).toBeNull();
  expect(await releaseOf(2)).toBeNull();
});

test('there is nothing to say of none', async () => {
  expect(await outlookOf(config, {})).toMatchObject({
    total: 0,
    read: 0,
    firstRefused: null,
    lastRefused: null,
    behind: { keys: 0, events: 0, isMore: false },
    values: { different: 0, top: [], withoutOne: 0, notRead: 0 },
  });
});

test('a payload that is too large to read for a list has an unknown value, not none', async () => {
  await leave(2);
  await database.pool.query(
    `update outbox.dead_letter set payload = '{"n": 1, "x": "' || repeat('x', 1100000) || '"}' where ordinal = 0`,
  );
  expect((await states()).map(([, , value]) => value)).toEqual(['not-read', '"1"']);
  expect(await outlookOf(config, {})).toMatchObject({ values: { different: 1, notRead: 1, withoutOne: 0 } });
});
