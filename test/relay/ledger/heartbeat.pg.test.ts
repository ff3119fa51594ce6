import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serverStart } from '../../../relay/connect/postgres/same-server.ts';
import { writeHeartbeat } from '../../../relay/ledger/heartbeat.ts';
import { readMarks } from '../../../relay/ledger/progress-copy.ts';
import { parseLsn } from '../../../relay/model/position.ts';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { unique } from '../../support/unique.ts';

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createMigratedDatabase();
  pool = database.pool;
});
afterAll(() => database.drop());

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

  test('lies before the LSN that comes with it', async () => {
    const slot = unique('slot');
    const { walLsn: before } = await readMarks(pool, slot);
    const { lsn } = await writeHeartbeat(pool, slot, 0);
    // What others write at the same time is inserted before it is written out, as the LSN of the heartbeat counts it.
    const { rows } = await pool.query('select pg_current_wal_insert_lsn() as lsn');
    expect(lsn > before && lsn <= parseLsn(rows[0].lsn)).toBe(true);
  });

  test('is not written on another server than the one that streams', async () => {
    const slot = unique('slot');
    const { rows } = await pool.query<{ started: string }>(`select ${serverStart} as started`);
    expect((await writeHeartbeat(pool, slot, 0, rows[0]!.started)).beat).toBe(1);
    await expect(writeHeartbeat(pool, slot, 0, 'another time')).rejects.toMatchObject({
      code: 'POSTGRES_MOVED',
      class: 'retry',
    });
    expect((await readMarks(pool, slot)).beat).toBe(1);
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
