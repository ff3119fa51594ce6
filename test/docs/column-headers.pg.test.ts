/** The trigger of the guide that makes headers of other columns does what the guide says. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
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
