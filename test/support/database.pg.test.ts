import pg from 'pg';
import { expect, test } from 'vitest';
import { createDatabase } from './database.ts';
import { servers } from './servers.ts';

test('a dropped database takes its slots and sessions along', async () => {
  const database = await createDatabase();
  await database.pool.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [database.name]);
  const session = new pg.Client({ connectionString: database.url });
  const ended = new Promise((resolve) => session.on('error', resolve));
  await session.connect();
  await database.drop();
  await expect(ended).resolves.toMatchObject({ code: '57P01' });

  const shared = new pg.Client({ connectionString: (await servers()).databaseUrl });
  await shared.connect();
  try {
    const slots = await shared.query('select 1 from pg_replication_slots where slot_name = $1', [
      database.name,
    ]);
    const databases = await shared.query('select 1 from pg_database where datname = $1', [database.name]);
    expect([slots.rowCount, databases.rowCount]).toEqual([0, 0]);
  } finally {
    await shared.end();
  }
});
