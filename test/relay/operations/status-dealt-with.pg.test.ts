/** What a status knows of dead letters that people have dealt with, with the rights of an operator and no others. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Config } from '../../../relay/config/config.ts';
import { requestRelease } from '../../../relay/operations/dead-letters/release-keys.ts';
import { readStatus } from '../../../relay/operations/status.ts';
import { type LetterDatabase, openLetterDatabase } from './dead-letters/letters.ts';

let database: LetterDatabase;
let config: Config;
beforeAll(async () => {
  database = await openLetterDatabase();
  ({ config } = database.operator);
});
afterAll(() => database?.[Symbol.asyncDispose]());

const actor = { person: 'ada', reason: 'OPS-1' };

test('what is fixed is counted by what it waits for, until the fix is undone', async () => {
  const { pool } = database;
  const slot = config.slot.name;
  const dealtWith = async () => (await readStatus(config)).dealtWith;
  expect(await dealtWith()).toBeNull();
  // Keys k0, k1, k2, k0, k1, k2.
  await database.leave('0/1000', 6);
  await pool.query(`update outbox.dead_letter set topic = 't'`);
  await pool.query(
    `insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key)
     values ($1, '0/1000', 0, 't', 'k0'), ($1, '0/1000', 1, 't', 'k1')`,
    [slot],
  );
  expect(await dealtWith()).toEqual({ read: 6, release: 0, resubmit: 0, underWay: 0 });
  const fix = (ordinal: number, before: string, after: string) =>
    pool.query(`select outbox.fix_dead_letter($1, '0/1000', $2, $3, $4, 'ada', 'OPS-1')`, [
      slot,
      ordinal,
      before,
      after,
    ]);
  const { rows } = await pool.query<{ payload: string }>(
    'select payload from outbox.dead_letter order by ordinal',
  );
  for (const ordinal of [0, 2, 5]) await fix(ordinal, rows[ordinal]!.payload, '{"seq":"fixed"}');
  expect(await dealtWith()).toEqual({ read: 6, release: 1, resubmit: 2, underWay: 0 });
  await fix(5, '{"seq":"fixed"}', rows[5]!.payload);
  expect(await dealtWith()).toEqual({ read: 6, release: 1, resubmit: 1, underWay: 0 });
  // A release of k1 takes both of its letters, fixed or not.
  await requestRelease(pool, slot, { topic: 't', key: 'k1' }, actor);
  expect(await dealtWith()).toEqual({ read: 6, release: 1, resubmit: 1, underWay: 2 });
  const { verdict } = await readStatus(config);
  expect(verdict.concerns.map(({ name, advice }) => [name, advice])).toContainEqual([
    'dead-letters',
    'Look at them.',
  ]);
});

test('of a role that may not see who did what, nothing is claimed', async () => {
  await database.pool.query('revoke select on outbox.dead_letter_action from outbox_operator');
  try {
    const { deadLetters, dealtWith, verdict } = await readStatus(config);
    expect([deadLetters.length, dealtWith]).toMatchObject([1, { code: 'POSTGRES_UNAUTHORIZED' }]);
    expect(verdict.concerns[0]?.text).toMatch(/Which of them are fixed is not known/);
  } finally {
    await database.pool.query('grant select on outbox.dead_letter_action to outbox_operator');
  }
});
