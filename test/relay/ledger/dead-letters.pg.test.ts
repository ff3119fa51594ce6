import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Refusal } from '../../../relay/encode/record.ts';
import { RelayError } from '../../../relay/errors.ts';
import { storeDeadLetters } from '../../../relay/ledger/dead-letters.ts';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createMigratedDatabase();
  pool = database.pool;
});
afterAll(() => database.drop());
beforeEach(async () => {
  await pool.query('truncate outbox.dead_letter cascade');
});

const deadLetter = (ordinal: number, more: Partial<Refusal> = {}): Refusal => ({
  position: { commitLsn: 0x16_b374_d848n, ordinal },
  committedAtMs: 0,
  row: {
    id: 'not a uuid, "quoted", {braced}, \\ and ü 💶',
    aggregatetype: 'order',
    aggregateid: '',
    type: null,
    payload: '{"total": 9007199254740993}',
    headers: null,
    createdAt: '2026-01-02 03:04:05.678901+00',
  },
  code: 'PAYLOAD_INVALID',
  message: 'expected long, found string',
  path: '$.lines[3].price',
  topic: 'outbox.event.order',
  subject: 'outbox.event.order-Placed',
  schemaId: 7,
  ...more,
});

test('a dead letter holds the event unchanged, and the reason of the refusal', async () => {
  await storeDeadLetters(pool, 'slot', [deadLetter(3)]);
  const { rows } = await pool.query('select *, commit_lsn::text as lsn from outbox.dead_letter');
  expect(rows).toMatchObject([
    {
      slot: 'slot',
      lsn: '16/B374D848',
      ordinal: '3',
      event_id: 'not a uuid, "quoted", {braced}, \\ and ü 💶',
      aggregatetype: 'order',
      aggregateid: '',
      type: null,
      payload: '{"total": 9007199254740993}',
      headers: null,
      event_created_at: '2026-01-02 03:04:05.678901+00',
      topic: 'outbox.event.order',
      code: 'PAYLOAD_INVALID',
      message: 'expected long, found string',
      path: '$.lines[3].price',
      context: { subject: 'outbox.event.order-Placed', schemaId: 7 },
      status: 'open',
      attempts: 1,
    },
  ]);
});

test('stored again after a crash it stays one, and as it was', async () => {
  await storeDeadLetters(pool, 'slot', [deadLetter(0), deadLetter(1)]);
  await pool.query(`update outbox.dead_letter set status = 'discarded' where ordinal = 0`);
  const before = await pool.query('select * from outbox.dead_letter order by ordinal');
  await storeDeadLetters(pool, 'slot', [deadLetter(0), deadLetter(1, { message: 'another' }), deadLetter(2)]);
  const after = await pool.query('select * from outbox.dead_letter order by ordinal');
  expect(after.rows.slice(0, 2)).toEqual(before.rows);
  expect(after.rows).toHaveLength(3);
});

test('the same position of another slot or another transaction is another one', async () => {
  await storeDeadLetters(pool, 'slot', [
    deadLetter(0),
    deadLetter(0, { position: { commitLsn: 1n, ordinal: 0 } }),
  ]);
  await storeDeadLetters(pool, 'another', [deadLetter(0)]);
  expect((await pool.query('select from outbox.dead_letter')).rowCount).toBe(3);
});

test('ten thousand go in one statement, or none does', async () => {
  const many = Array.from({ length: 10_000 }, (_, index) => deadLetter(index));
  await storeDeadLetters(pool, 'slot', many);
  expect((await pool.query('select from outbox.dead_letter')).rowCount).toBe(10_000);
  const torn = [deadLetter(20_000), deadLetter(20_001, { message: null as unknown as string })];
  await expect(storeDeadLetters(pool, 'slot', torn)).rejects.toThrow();
  expect((await pool.query('select from outbox.dead_letter')).rowCount).toBe(10_000);
});

test('large texts go as they are, each alone, and small ones together up to some bytes', async () => {
  const quotes = '"\\'.repeat(100_000);
  const large = deadLetter(1, { row: { ...deadLetter(1).row, payload: quotes, headers: quotes } });
  const many = Array.from({ length: 200 }, (_, index) =>
    deadLetter(index + 2, { row: { ...deadLetter(0).row, payload: 'p'.repeat(50_000) } }),
  );
  const asked: unknown[][] = [];
  const counting = {
    query: (text: string, values: unknown[]) => {
      asked.push(values);
      return pool.query(text, values);
    },
  } as unknown as pg.Pool;
  await storeDeadLetters(counting, 'slot', [deadLetter(0), large, ...many]);
  const { rows } = await pool.query(
    'select payload, headers from outbox.dead_letter order by ordinal limit 2',
  );
  expect(rows).toEqual([
    { payload: deadLetter(0).row.payload, headers: null },
    { payload: quotes, headers: quotes },
  ]);
  expect((await pool.query('select from outbox.dead_letter')).rowCount).toBe(202);
  // Ten megabytes in statements of four, and the large one.
  expect(asked).toHaveLength(4);
  expect(asked.flat()).toContain(quotes);
});

test('what was left out is filled in when the row is read again whole, and a correction stays', async () => {
  const leftOut = { rowBytes: 100, payload: 90 };
  const short = (ordinal: number) =>
    deadLetter(ordinal, { row: { ...deadLetter(ordinal).row, payload: null, leftOut } });
  await storeDeadLetters(pool, 'slot', [short(0), short(1), deadLetter(2)]);
  expect((await pool.query(`select context -> 'leftOut' as one from outbox.dead_letter`)).rows).toEqual(
    expect.arrayContaining([{ one: leftOut }]),
  );
  await pool.query(
    `select outbox.fix_dead_letter('slot', '16/B374D848', 0, null, '{"fixed":1}', 'somebody')`,
  );
  await pool.query(
    `update outbox.dead_letter set status = 'resubmitted', context = context || '{"reread":true}'`,
  );
  await storeDeadLetters(pool, 'slot', [short(0), deadLetter(1), short(2)]);
  const { rows } = await pool.query(
    `select payload, context -> 'leftOut' as left_out, status from outbox.dead_letter order by ordinal`,
  );
  expect(rows).toEqual([
    { payload: '{"fixed":1}', left_out: null, status: 'open' },
    { payload: deadLetter(1).row.payload, left_out: null, status: 'open' },
    { payload: deadLetter(2).row.payload, left_out: null, status: 'open' },
  ]);
});

test('none asks nothing of the server', async () => {
  const ended = { query: () => Promise.reject(new Error('asked')) } as unknown as pg.Pool;
  await storeDeadLetters(ended, 'slot', []);
});

test('a server that is away is a retry', async () => {
  const client = await pool.connect();
  try {
    await client.query('begin; lock table outbox.dead_letter in access exclusive mode');
    const impatient = await pool.connect();
    await impatient.query('set lock_timeout = 50');
    const stored = storeDeadLetters(impatient as unknown as pg.Pool, 'slot', [deadLetter(0)]);
    const failure: unknown = await stored.catch((error: unknown) => error);
    impatient.release(true);
    expect(failure instanceof RelayError ? failure.class : failure).toBe('retry');
  } finally {
    await client.query('rollback');
    client.release();
  }
});
