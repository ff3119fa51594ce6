/** Copies of a running server: a base backup that is started again, and a standby that is promoted. */
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { startPostgres } from '../../stack/postgres.ts';
import { postgresMajor } from '../../stack/postgres-binaries.ts';
import { backup, startStandby } from '../../stack/postgres-copy.ts';
import { query } from './query.ts';

const settings = { fsync: 'off' };

const timeline = 'select timeline_id from pg_control_checkpoint()';

test('a backup of a server that is written to starts as it was at its end, on the same timeline and without slots', async () => {
  await using postgres = await startPostgres({ settings });
  await query(postgres.url, 'create table kept as select 1 as n');
  await query(postgres.url, `select pg_create_logical_replication_slot('s', 'pgoutput')`);
  const dir = path.join(path.dirname(postgres.dataDir), 'copy');
  let isDone = false;
  const writing = (async () => {
    for (let n = 2; !isDone; n++) await query(postgres.url, `insert into kept values (${n})`);
  })();
  await backup(postgres, dir);
  isDone = true;
  await writing;
  await query(postgres.url, 'insert into kept values (-1)');
  await using copy = await startPostgres({ settings, dataDir: dir });
  const [[rows, least, most]] = (await query(copy.url, 'select count(*)::int, min(n), max(n) from kept')) as [
    [number, number, number],
  ];
  expect({ least, most }).toEqual({ least: 1, most: rows });
  expect(await query(copy.url, timeline)).toEqual(await query(postgres.url, timeline));
  expect(await query(copy.url, 'select slot_name from pg_replication_slots')).toEqual([]);
  expect(await query(postgres.url, 'select slot_name from pg_replication_slots')).toEqual([['s']]);
});

test('a standby keeps failover slots', async ({ skip }) => {
  await using primary = await startPostgres({ settings });
  skip((await postgresMajor(primary.binDir)) < 17, 'they came with 17');
  await using standby = await startStandby(primary, { settings });
  await query(primary.url, `select pg_create_logical_replication_slot('s', 'pgoutput', false, false, true)`);
  const kept = `select from pg_replication_slots where slot_name = 's' and synced`;
  await vi.waitUntil(async () => (await query(standby.url, kept)).length === 1, {
    timeout: 30_000,
    interval: 20,
  });
});

test('a standby follows its primary, and takes writes on a new timeline when it is promoted', async () => {
  await using primary = await startPostgres({ settings });
  await using standby = await startStandby(primary, { settings });
  await query(primary.url, 'create table followed as select 42 as n');
  await vi.waitUntil(() => query(standby.url, 'select n from followed').catch(() => false), {
    timeout: 30_000,
    interval: 20,
  });
  await expect(query(standby.url, 'create table refused ()')).rejects.toMatchObject({ code: '25006' });
  primary.kill('SIGQUIT');
  await standby.promote();
  await query(standby.url, 'insert into followed values (43)');
  expect(await query(standby.url, 'select n from followed order by n')).toEqual([[42], [43]]);
  expect(await query(standby.url, `select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)`)).toEqual([
    ['00000002'],
  ]);
});
