/** Owns the proof that row-level security has hidden nothing from a read. Promise: no answer from a part of the rows. */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { RelayError } from '../../errors.ts';
import { openClient } from './client.ts';
import { quoteTable } from './quoting.ts';
import { rowSecurity } from './row-security.ts';
import { query, statement } from './statement.ts';

/**
 * Call it after a read whose result must be complete. During a session somebody may enable row-level security on a table,
 * or drop its policy; a session with `row_security = on` then reads fewer rows without an error. A transaction that has read
 * a table holds a lock that keeps its policies, so a call before its end is about what the read saw.
 * @param client not in a repeatable-read transaction, which would still see policies that were dropped
 * @param tables as `schema.table`
 * @throws RelayError POSTGRES_ROWS_HIDDEN
 */
export async function assertRowsShown(
  client: pg.Pool | pg.ClientBase,
  { outbox }: Pick<Config, 'outbox'>,
  tables: readonly string[],
): Promise<void> {
  const hidden = await query(
    client,
    statement<{ name: string }>(
      'connect.read_row_security',
      'reading row-level security',
      `select name from (${rowSecurity(outbox.table)}) as of_tables
    where not shown and oid in (select to_regclass(name) from unnest($1::text[]) as of_read (name))`,
    ),
    [tables.map(quoteTable)],
  );
  if (hidden.length === 0) return;
  const names = hidden.map(({ name }) => name).join(', ');
  throw new RelayError(
    'POSTGRES_ROWS_HIDDEN',
    `row-level security may hide rows of ${names} from the role, so the result may be incomplete`,
  );
}

/** The same on a connection of its own, for a read in a repeatable-read transaction. */
export async function assertRowsShownNow(config: Config, tables: readonly string[]): Promise<void> {
  const client = await openClient(config, 'outbox-relay', config.database.statementTimeoutMs);
  try {
    await assertRowsShown(client, config, tables);
  } finally {
    await client.end().catch(() => {});
  }
}
