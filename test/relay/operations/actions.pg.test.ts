/** The list of what people did, with the rights of an operator and no others. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Config } from '../../../relay/config/config.ts';
import { type RecordedAction, recentActions } from '../../../relay/operations/actions.ts';
import { type LetterDatabase, openLetterDatabase } from './dead-letters/letters.ts';

let database: LetterDatabase;
let config: Config;
beforeAll(async () => {
  database = await openLetterDatabase();
  ({ config } = database.operator);
});
afterAll(() => database?.[Symbol.asyncDispose]());
beforeEach(() =>
  database.pool.query('truncate outbox.dead_letter cascade; truncate outbox.action, outbox.key_release'),
);

async function did(more: { person: string; note: string; count: number }) {
  await database.pool.query(
    `insert into outbox.dead_letter_action (slot, commit_lsn, ordinal, action, from_status, to_status, person, note)
     select $1, '0/1000', 0, 'fix', 'open', 'open', $2, $3 from generate_series(1, $4::int)`,
    [config.slot.name, more.person, more.note, more.count],
  );
}

/** All pages, one after the other. */
async function pages(limit: number): Promise<RecordedAction[]> {
  const all: RecordedAction[] = [];
  for (let before: string | null = null, read = 0; read < 100; read++) {
    const { actions, next } = await recentActions(config, limit, before);
    all.push(...actions);
    if (next === null) return all;
    before = next;
  }
  throw new Error('it does not end');
}

const brief = ({ action, on, count, target, person, reason }: RecordedAction) =>
  [action, on, count, target, person, reason] as const;

test('one list of what was done to the relay, to dead letters and to keys, the latest first', async () => {
  const { pool } = database;
  const { name: slot } = config.slot;
  await database.leave('0/1000', 1);
  await pool.query(`select outbox.pause($1, 'orders', 'hold', null, 'ada', 'upgrade')`, [slot]);
  await did({ person: 'ada', note: 'OPS-1', count: 500 });
  await did({ person: 'bert', note: 'OPS-2', count: 1 });
  await pool.query(
    `insert into outbox.key_release (slot, topic, key, person, note, outcome, published)
     values ($1, 'orders', 'a', 'ada', 'OPS-1', 'released', 7), ($1, 'orders', 'b', 'ada', 'OPS-1', null, null)`,
    [slot],
  );
  await pool.query(`select outbox.resume($1, 'orders', 'ada', 'done')`, [slot]);
  const all = await pages(10);
  expect(all.map(brief)).toEqual([
    ['resume', 'relay', 1, 'orders', 'ada', 'done'],
    ['release', 'keys', 2, null, 'ada', 'OPS-1'],
    ['fix', 'dead-letters', 1, '0000000000001000.00000000', 'bert', 'OPS-2'],
    ['fix', 'dead-letters', 500, null, 'ada', 'OPS-1'],
    ['pause', 'relay', 1, 'orders', 'ada', 'upgrade'],
  ]);
  expect(all[1]?.details).toBe('{"released":1,"not done yet":1,"events published":7}');
  // Page by page it is the same.
  expect((await pages(1)).map(brief)).toEqual(all.map(brief));
  expect((await pages(2)).map(({ id }) => id)).toEqual(all.map(({ id }) => id));
});

test('another slot’s are not among them', async () => {
  await database.pool.query(`select outbox.limit_rate('another', 5, null, 'ada', 'x')`);
  expect(await recentActions(config, 10)).toEqual({ actions: [], next: null });
});

test('of very many at once each is counted in one entry', async () => {
  await database.leave('0/1000', 1);
  await did({ person: 'ada', note: 'OPS-1', count: 20_005 });
  const all = await pages(10);
  expect(all.map(({ count, isCut }) => [count, isCut])).toEqual([
    [20_000, true],
    [5, false],
  ]);
  await did({ person: 'bert', note: 'OPS-1', count: 19_995 });
  expect((await pages(1)).map(({ person, count, isCut }) => [person, count, isCut])).toEqual([
    ['bert', 19_995, false],
    ['ada', 20_000, true],
    ['ada', 5, false],
  ]);
});
