/** What of the dead letters counts at the progress of Kafka, and what is taken back. */
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { decideAgain } from '../../../relay/ledger/decide-again.ts';
import type { Progress } from '../../../relay/model/progress.ts';
import { readDecided, readLetters } from '../../../relay/recover/letters.ts';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { progressAt as progressOfSlotAt } from '../ledger/progress-at.ts';
import { configOf } from '../settings.ts';

const slot = 'letters';
let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createMigratedDatabase();
  pool = database.pool;
});
afterAll(() => database?.drop());

const progressAt = (endLsn: bigint, partial?: Progress['partial']) => progressOfSlotAt(slot, endLsn, partial);

/** An event is named for the first part of its position. */
beforeEach(() =>
  pool.query(`
    truncate outbox.dead_letter cascade;
    truncate outbox.parked_key, outbox.key_release, outbox.progress;
    insert into outbox.dead_letter (slot, commit_lsn, ordinal, event_id, code, message, status, released_lsn, system_identifier) values
      ('${slot}', '0/100', 0, '100', 'X', '', 'open', null, '1'), ('${slot}', '0/200', 0, '200', 'X', '', 'open', null, '1'),
      ('${slot}', '0/200', 1, '200', 'KEY_PARKED', '', 'parked', null, '1'), ('${slot}', '0/300', 0, '300', 'X', '', 'resubmitted', null, '1'),
      ('${slot}', '0/400', 0, '400', 'X', '', 'discarded', null, '1'), ('${slot}', '0/110', 0, '110', 'X', '', 'released', '0/180', '1'),
      ('${slot}', '0/120', 0, '120', 'KEY_PARKED', '', 'released', '0/280', '1');
    insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key, released_lsn, system_identifier) values
      ('${slot}', '0/110', 0, 't', 'released', '0/180', '1'), ('${slot}', '0/120', 0, 't', 'taken back', '0/280', '1'),
      ('${slot}', '0/200', 0, 't', 'undecided', null, '1'), ('${slot}', '0/210', 0, 't', 'only the dead letter is left', null, '1')`),
);

async function read(progress: Progress | null): Promise<{ deadLettered: string[]; undecided: string[] }> {
  const config = configOf({ SLOT: slot }, { databaseUrl: database.url });
  const { deadLettered, undecided } = await readLetters(config, await readDecided(pool, slot, progress));
  return {
    deadLettered: [...deadLettered].toSorted(),
    undecided: [...undecided].map(([id, positions]) => `${id}: ${positions.map((p) => p.ordinal)}`),
  };
}

describe('a dead letter', () => {
  test('beyond the progress is undecided, and a release beyond it did not happen', async () => {
    expect(await read(progressAt(0x200n))).toEqual({
      deadLettered: ['100', '120', '400'],
      undecided: ['200: 0,1'],
    });
    expect(await read(progressAt(0x281n))).toEqual({ deadLettered: ['100', '200', '400'], undecided: [] });
  });

  test('of a transaction that is published in part is undecided from there on', async () => {
    const partial = { commitLsn: 0x200n, ordinal: 1 };
    expect(await read(progressAt(0x180n, partial))).toMatchObject({ undecided: ['200: 1'] });
  });

  test('is judged by the copy where Kafka has no progress, and a release counts then', async () => {
    const decided = { deadLettered: ['100', '200', '400'], undecided: [] };
    expect(await read(null)).toEqual(decided);
    await pool.query(
      `insert into outbox.progress (slot, initialised_at, end_lsn, system_identifier) values ('${slot}', now(), '0/180', '1')`,
    );
    const undecided = { deadLettered: ['100', '400'], undecided: ['200: 0,1'] };
    expect(await read(null)).toEqual(undecided);
    expect(await read(progressAt(0n, { commitLsn: 0x200n, ordinal: 2 }))).toEqual(decided);
  });
});

test('what a session closed to read it again is unread beyond the progress, unless something came of it later', async () => {
  await pool.query(`
    update outbox.dead_letter set status = 'resubmitted', context = '{"reread": true}' where status <> 'discarded';
    insert into outbox.dead_letter (slot, commit_lsn, ordinal, event_id, code, message, status, context, system_identifier) values
      ('${slot}', '0/200', 2, null, 'X', '', 'resubmitted', '{"reread": true}', '1'),
      ('${slot}', '0/210', 0, '210', 'X', '', 'resubmitted', '{"reread": true}', '1'),
      ('${slot}', '0/220', 0, 'elsewhere', 'X', '', 'resubmitted', '{"reread": true}', '2'),
      ('${slot}', '0/3FF', 0, '210', 'X', '', 'open', '{}', '1'), ('${slot}', '0/500', 0, '300', 'X', '', 'open', '{}', '2')`);
  const unread = async (progress: Progress) => {
    const config = configOf({ SLOT: slot }, { databaseUrl: database.url });
    const { reread } = await readLetters(config, await readDecided(pool, slot, progress));
    return [...reread.values()].map((at) => `${at.commitLsn.toString(16)}.${at.ordinal}`);
  };
  expect(await unread(progressAt(0x200n))).toEqual(['200.1', '200.2', '300.0']);
  expect(await unread(progressAt(0x1a0n, { commitLsn: 0x200n, ordinal: 2 }))).toEqual(['200.2', '300.0']);
  // A recovery has published some of what was missing.
  expect(await unread(progressAt(0x200n, { commitLsn: 0x3ffn, ordinal: 5 }))).toHaveLength(3);
  expect(await unread(progressAt(0x301n))).toEqual([]);
});

test('what is of another cluster was decided there', async () => {
  await pool.query(`update outbox.dead_letter set system_identifier = '2'`);
  expect(await read(progressAt(0x110n))).toEqual({ deadLettered: ['100', '200', '400'], undecided: [] });
});

test('taking back begins with the keys that wait at the progress, and asks again for what was asked', async () => {
  await pool.query(`
    insert into outbox.progress (slot, initialised_at, session, system_identifier) values ('${slot}', now(), 3, '1');
    insert into outbox.key_release (slot, topic, key, person, processed_lsn, outcome) values
      ('${slot}', 't', 'released', 'p', '0/180', 'released'), ('${slot}', 't', 'taken back', 'p', '0/280', 'released')`);
  const decided = await readDecided(pool, slot, progressAt(0x200n));
  const letters = [0, 1].map((ordinal) => ({ commitLsn: 0x200n, ordinal }));
  const old = decideAgain(pool, { slot, number: 2 }, decided, letters, []);
  await expect(old).rejects.toMatchObject({ code: 'PRODUCER_FENCED' });
  await pool.query(
    `update outbox.dead_letter set context = '{"reread": true, "x": 1}' where event_id = '300'`,
  );
  const unread = [{ commitLsn: 0x300n, ordinal: 0 }];
  const parked = await decideAgain(pool, { slot, number: 3 }, decided, letters, unread);
  expect(parked.map(({ key }) => key).toSorted()).toEqual(['only the dead letter is left', 'taken back']);
  const { rows } = await pool.query<{ one: string }>(
    `select event_id || ' ' || status as one from outbox.dead_letter order by commit_lsn, ordinal`,
  );
  expect(rows.map(({ one }) => one)).toEqual([
    '100 open',
    '110 released',
    '120 parked',
    '200 resubmitted',
    '200 resubmitted',
    '300 open',
    '400 discarded',
  ]);
  const pending = await pool.query('select key from outbox.key_release where outcome is null');
  expect(pending.rows).toEqual([{ key: 'taken back' }]);
});
