/** How old the count of dead letters can get, which an alert goes by. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deadLetterCountDuty } from '../../../relay/upkeep/dead-letter-count.ts';
import { pauseAfter } from '../../../relay/upkeep/run-duties.ts';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { configOf } from '../settings.ts';

let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createMigratedDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 1 });
});
afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

test('a count that had to wait for its connection comes again with the next heartbeat', async () => {
  const counts: unknown[] = [];
  const observer = { deadLettersCounted: (waiting: unknown) => counts.push(waiting) } as never;
  const config = configOf({}, { databaseUrl: database.url });
  const duty = deadLetterCountDuty({ config, pool, observer });
  const held = await pool.connect();
  const beganMs = performance.now();
  const counted = duty.run(new AbortController().signal);
  await held.query('select pg_sleep(1)');
  held.release();
  await counted;
  const waitedMs = performance.now() - beganMs;
  expect(waitedMs).toBeGreaterThan(900);
  expect(duty.busyMs!()).toBeLessThan(waitedMs / 2);
  expect(pauseAfter(duty, 0, duty.busyMs!())).toBeLessThan(pauseAfter(duty, 0, waitedMs) / 2);
  expect(counts).toEqual([{ open: 0, oldestSeconds: 0, parked: 0, parkedKeys: 0 }]);
});
