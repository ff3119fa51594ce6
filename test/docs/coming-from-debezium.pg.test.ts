/** What the guide for those who come from Debezium has people run does what the guide says. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { examineOutbox } from '../../relay/capture/outbox-table.ts';
import { loadConfig } from '../../relay/config/config.ts';
import { rightsMissingTo } from '../../relay/operations/check/outbox.ts';
import { runCli } from '../relay/commands/cli.ts';
import { createDatabase } from '../support/database.ts';

const guide = path.join(import.meta.dirname, '../../docs/guides/coming-from-debezium.md');

test('a column becomes a header of the row, beside those that the row has', async () => {
  const text = readFileSync(guide, 'utf8');
  const [, sql] = /### Other columns as headers\n[^#]*?```sql\n([^`]*)```/.exec(text)!;
  await using database = await createDatabase();
  const { pool } = database;
  await pool.query('create table public.outbox (id int, tenant_id int)');
  await pool.query(sql!);
  await pool.query(`insert into public.outbox (id, tenant_id, headers)
    values (1, 7, null), (2, null, null), (3, 8, '{"own": "x", "tenant": "y"}'), (4, null, '{"own": "x"}')`);
  const { rows } = await pool.query<{ headers: object }>('select headers from public.outbox order by id');
  expect(rows.map(({ headers }) => headers)).toEqual([
    { tenant: 7 },
    {},
    { own: 'x', tenant: 8 },
    { own: 'x' },
  ]);
});

test('the five columns of the documentation of Debezium fit once the commands and settings of the guide are there', async () => {
  const text = readFileSync(guide, 'utf8');
  const [, commands] = /stays as it is\.[^`]*?```console\n([^`]*)```/.exec(text)!;
  const [, headers, createdAt] =
    /`(outbox\.columns\.headers: '')` and `(outbox\.columns\.createdAt: '')`/.exec(text)!;
  expect([headers, createdAt]).not.toContain(undefined);
  await using database = await createDatabase();
  const { pool, url } = database;
  await pool.query(`create table public.outbox (id uuid primary key, aggregatetype varchar(255) not null,
    aggregateid varchar(255) not null, type varchar(255) not null, payload jsonb)`);
  const env = { DATABASE_URL: url, OUTBOX_RELAY_OUTBOX_TABLE: 'public.outbox' };
  for (const line of commands!.trim().split('\n')) {
    const [, arguments_, sql] = /^\$ (?:outbox-relay (.*)|psql "\$DATABASE_URL" -c '(.*)')$/.exec(line)!;
    if (sql !== undefined) await pool.query(sql);
    else if (arguments_ !== 'check')
      expect(await runCli(arguments_!.split(' '), env), line).toMatchObject({ code: 0 });
  }
  const configOf = (more: Record<string, string>) =>
    loadConfig({ env: { ...env, ...more }, needs: [] }).config;
  expect((await examineOutbox(pool, configOf({}))).map(({ fix }) => fix)).toEqual(
    ['headers', 'createdAt'].map((name) => expect.stringContaining(`outbox.columns.${name}: ''`)),
  );
  const config = configOf({
    OUTBOX_RELAY_OUTBOX_COLUMNS_HEADERS: '',
    OUTBOX_RELAY_OUTBOX_COLUMNS_CREATED_AT: '',
  });
  expect(await examineOutbox(pool, config)).toEqual([]);
  expect(await rightsMissingTo(pool, config, 'outbox_relay')).toEqual([]);
});
