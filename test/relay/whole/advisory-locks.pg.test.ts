/** Any role that may connect can take any advisory lock, and keep it. Nothing of ours may wait for one. */
import pg from 'pg';
import { expect, test } from 'vitest';
import { writeHeartbeat } from '../../../relay/ledger/heartbeat.ts';
import { requestRelease } from '../../../relay/operations/dead-letters/release-keys.ts';
import { discard } from '../../../relay/operations/dead-letters/resubmit-discard.ts';
import { migrate } from '../../../relay/operations/migrate/migrate.ts';
import { unique } from '../../support/unique.ts';
import { openLetterDatabase } from '../operations/dead-letters/letters.ts';

/** The locks that earlier releases took for a slot. */
const earlier = `select pg_advisory_lock(hashtextextended('outbox-relay heartbeat ' || $1, 0)),
  pg_advisory_lock(hashtextextended('outbox-relay dead letters ' || $1, 0)),
  pg_advisory_lock(('x' || encode('outboxmg', 'hex'))::bit(64)::bigint)`;

test('a role without rights that takes advisory locks stops no heartbeat, no operator and no migration', async () => {
  await using database = await openLetterDatabase();
  const { pool, operator } = database;
  const {
    slot: { name: slot },
  } = operator.config;
  const stranger = unique('stranger');
  await pool.query(`create role ${stranger} login password 'secret'`);
  const url = new URL(database.url);
  [url.username, url.password] = [stranger, 'secret'];
  const holder = new pg.Client({ connectionString: url.href });
  await holder.connect();
  try {
    await holder.query(earlier, [slot]);
    await database.leave('0/1000', 1);
    expect((await writeHeartbeat(pool, slot, 0)).beat).toBe(1);
    const actor = { person: 'somebody', reason: 'test data' };
    const closing = { config: operator.config, selection: {}, actor };
    expect(await discard(closing)).toMatchObject({ done: 1 });
    expect(await requestRelease(pool, slot, { topic: 't', key: 'k' }, actor)).toBeUndefined();
    expect((await migrate({ databaseUrl: database.url })).applied).toEqual([]);
  } finally {
    await holder.end();
    await pool.query(`drop role ${stranger}`);
  }
});
