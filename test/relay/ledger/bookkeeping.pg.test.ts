import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readMarks, storeProgress } from '../../../relay/ledger/bookkeeping.ts';
import { writeHeartbeat } from '../../../relay/ledger/heartbeat.ts';
import { parseLsn } from '../../../relay/model/position.ts';
import type { Progress } from '../../../relay/model/progress.ts';
import { migrate } from '../../../relay/operations/migrate/migrate.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { unique } from '../../support/unique.ts';

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase();
  await migrate({ databaseUrl: database.url });
  pool = database.pool;
});
afterAll(() => database.drop());

const progress = (slot: string, more: Partial<Progress> = {}): Progress => ({
  slot,
  systemIdentifier: '7000000000000000001',
  timeline: 2,
  endLsn: 0x16_b374_d848n,
  partial: null,
  beat: 0,
  eventCount: 3_000_000_000,
  instance: 'host/1/abc',
  time: '2026-01-02T03:04:05.678Z',
  ...more,
});

describe('the copy of the progress', () => {
  test('marks the slot, follows the progress, and keeps the time of the mark', async () => {
    const slot = unique('slot');
    expect((await readMarks(pool, slot)).initialised).toBe(false);
    await storeProgress(pool, progress(slot, { partial: { commitLsn: 0x16_c000_0000n, ordinal: 70_000 } }));
    const read = async () => (await pool.query('select * from outbox.progress where slot = $1', [slot])).rows;
    const [first] = await read();
    expect(first).toMatchObject({
      system_identifier: '7000000000000000001',
      timeline: 2,
      end_lsn: '16/B374D848',
      partial_commit_lsn: '16/C0000000',
      partial_ordinal: '70000',
      event_count: '3000000000',
      instance: 'host/1/abc',
      published_at: new Date('2026-01-02T03:04:05.678Z'),
    });
    expect((await readMarks(pool, slot)).initialised).toBe(true);
    await storeProgress(pool, progress(slot, { endLsn: 2n ** 40n, timeline: 3, instance: 'b' }));
    const again = await read();
    expect(again).toHaveLength(1);
    expect(again[0]).toMatchObject({
      end_lsn: '100/0',
      partial_commit_lsn: null,
      partial_ordinal: null,
      timeline: 3,
      instance: 'b',
      initialised_at: first.initialised_at,
    });
  });
});

describe('a heartbeat', () => {
  test('is numbered from one on, without a gap, by however many at once', async () => {
    const slot = unique('slot');
    const written = await Promise.all(Array.from({ length: 40 }, () => writeHeartbeat(pool, slot, 0)));
    const beats = written.map(({ beat }) => beat).sort((a, b) => a - b);
    expect(beats).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    const { rows } = await pool.query('select beat from outbox.heartbeat where slot = $1', [slot]);
    expect(rows).toEqual([{ beat: '40' }]);
    expect((await readMarks(pool, slot)).beat).toBe(40);
  });

  test('leaves those of other slots alone', async () => {
    const [slot, other] = [unique('slot'), unique('slot')];
    await writeHeartbeat(pool, other, 5);
    await writeHeartbeat(pool, slot, 0);
    expect([(await readMarks(pool, slot)).beat, (await readMarks(pool, other)).beat]).toEqual([1, 6]);
  });

  test('goes on from what the stream has brought, where the table lost its own', async () => {
    const slot = unique('slot');
    expect((await writeHeartbeat(pool, slot, 41)).beat).toBe(42);
    expect((await writeHeartbeat(pool, slot, 7)).beat).toBe(43);
    await pool.query('delete from outbox.heartbeat where slot = $1', [slot]);
    expect((await writeHeartbeat(pool, slot, 43)).beat).toBe(44);
  });

  test('lies before the LSN that is told with it', async () => {
    const slot = unique('slot');
    const { walLsn: before } = await readMarks(pool, slot);
    const { lsn } = await writeHeartbeat(pool, slot, 0);
    // What others are writing meanwhile is inserted before it is written out, as the LSN of the heartbeat counts it.
    const { rows } = await pool.query('select pg_current_wal_insert_lsn() as lsn');
    expect(lsn > before && lsn <= parseLsn(rows[0].lsn)).toBe(true);
  });

  test('that fails leaves neither a number nor a connection behind', async () => {
    const slot = unique('slot');
    await writeHeartbeat(pool, slot, 0);
    await pool.query(`create function outbox.fail() returns trigger language plpgsql
      as $$ begin if new.slot = '${slot}' then raise sqlstate '53100'; end if; return new; end $$`);
    await pool.query(
      'create trigger fail before insert on outbox.heartbeat for each row execute function outbox.fail()',
    );
    try {
      await expect(writeHeartbeat(pool, slot, 0)).rejects.toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
    } finally {
      await pool.query('drop function outbox.fail() cascade');
    }
    expect((await writeHeartbeat(pool, slot, 0)).beat).toBe(2);
    expect(pool.idleCount).toBe(pool.totalCount);
  });
});

test('the marks of a slot that nobody knows say so, and where the WAL is', async () => {
  const marks = await readMarks(pool, 'nobody');
  expect(marks).toMatchObject({ initialised: false, beat: 0, isInRecovery: false });
  expect(marks.walLsn).toBeGreaterThan(0n);
});
