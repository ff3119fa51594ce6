import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Rejection } from '../../../relay/encode/record.ts';
import { RelayError } from '../../../relay/errors.ts';
import { migrate } from '../../../relay/migrate.ts';
import { storeDeadLetters } from '../../../relay/settle/dead-letters.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase();
  await migrate({ databaseUrl: database.url });
  pool = database.pool;
});
afterAll(() => database.drop());
beforeEach(async () => {
  await pool.query('truncate outbox.dead_letter cascade');
});

const rejection = (ordinal: number, more: Partial<Rejection> = {}): Rejection => ({
  commitLsn: 0x16_b374_d848n,
  ordinal,
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

test('a dead letter holds the event as it was, and why it is one', async () => {
  await storeDeadLetters(pool, 'slot', [rejection(3)]);
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
  await storeDeadLetters(pool, 'slot', [rejection(0), rejection(1)]);
  await pool.query(`update outbox.dead_letter set status = 'discarded' where ordinal = 0`);
  const before = await pool.query('select * from outbox.dead_letter order by ordinal');
  await storeDeadLetters(pool, 'slot', [rejection(0), rejection(1, { message: 'another' }), rejection(2)]);
  const after = await pool.query('select * from outbox.dead_letter order by ordinal');
  expect(after.rows.slice(0, 2)).toEqual(before.rows);
  expect(after.rows).toHaveLength(3);
});

test('the same position of another slot or another transaction is another one', async () => {
  await storeDeadLetters(pool, 'slot', [rejection(0), rejection(0, { commitLsn: 1n })]);
  await storeDeadLetters(pool, 'another', [rejection(0)]);
  expect((await pool.query('select from outbox.dead_letter')).rowCount).toBe(3);
});

test('ten thousand go in one statement, or none does', async () => {
  const many = Array.from({ length: 10_000 }, (_, index) => rejection(index));
  await storeDeadLetters(pool, 'slot', many);
  expect((await pool.query('select from outbox.dead_letter')).rowCount).toBe(10_000);
  const torn = [rejection(20_000), rejection(20_001, { message: null as unknown as string })];
  await expect(storeDeadLetters(pool, 'slot', torn)).rejects.toThrow();
  expect((await pool.query('select from outbox.dead_letter')).rowCount).toBe(10_000);
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
    const stored = storeDeadLetters(impatient as unknown as pg.Pool, 'slot', [rejection(0)]);
    const failure: unknown = await stored.catch((error: unknown) => error);
    impatient.release(true);
    expect(failure instanceof RelayError ? failure.class : failure).toBe('retry');
  } finally {
    await client.query('rollback');
    client.release();
  }
});
