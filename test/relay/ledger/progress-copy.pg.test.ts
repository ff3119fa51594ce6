import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readMarks, storeProgress } from '../../../relay/ledger/progress-copy.ts';
import type { Progress } from '../../../relay/model/progress.ts';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { unique } from '../../support/unique.ts';

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createMigratedDatabase();
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

test('the marks of a slot that nobody knows say so, and where the WAL is', async () => {
  const marks = await readMarks(pool, 'nobody');
  expect(marks).toMatchObject({ initialised: false, beat: 0, isInRecovery: false });
  expect(marks.walLsn).toBeGreaterThan(0n);
});
