import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readWalDirectory, readWalSamples, storeWalSample } from '../../../relay/ledger/wal-samples.ts';
import { openRelayDatabase, type RelayDatabase } from '../commands/outbox.ts';

let relay: RelayDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  relay = await openRelayDatabase();
  ({ pool } = relay);
});
afterAll(() => relay[Symbol.asyncDispose]());

const shift = (interval: string) =>
  pool.query(`update outbox.wal_sample set taken_at = taken_at - $1::interval`, [interval]);
const count = async () => (await pool.query('select from outbox.wal_sample')).rowCount;

test('a sample a minute is kept for a day, by whichever relay comes first', async () => {
  await storeWalSample(pool);
  await storeWalSample(pool);
  // A new minute may begin between two of them.
  expect(await count()).toBeLessThanOrEqual(2);
  const samples = await readWalSamples(pool);
  expect(samples[0]!.ageMs).toBe(0);
  expect(samples.every(({ lsn }) => lsn <= samples[0]!.lsn)).toBe(true);
  expect(samples).toHaveLength(1 + ((await count()) ?? 0));
  // The next day, the same minute is written again.
  await shift('1 day 30 seconds');
  expect(await readWalSamples(pool)).toHaveLength(1);
  await storeWalSample(pool);
  expect((await readWalSamples(pool)).length).toBeGreaterThan(1);
  expect(await count()).toBeLessThanOrEqual(3);
});

test('a sample of a time or of a position that is not reached any more is left out, and replaced', async () => {
  await pool.query('truncate outbox.wal_sample');
  await storeWalSample(pool);
  await shift('-2 hours');
  expect(await readWalSamples(pool)).toHaveLength(1);
  await storeWalSample(pool);
  expect((await readWalSamples(pool)).length).toBeGreaterThan(1);
  await pool.query(`update outbox.wal_sample set lsn = 'FFFFFFFF/0'`);
  expect(await readWalSamples(pool)).toHaveLength(1);
});

test('the size of pg_wal is told to a role that may list it', async () => {
  expect(await readWalDirectory(pool)).toBeGreaterThanOrEqual(16 * 1024 * 1024);
  const client = await pool.connect();
  try {
    await client.query('set role outbox_relay');
    expect(await readWalDirectory(client)).toBeUndefined();
    await storeWalSample(client);
    expect(await readWalSamples(client)).not.toEqual([]);
  } finally {
    client.release(true);
  }
});
