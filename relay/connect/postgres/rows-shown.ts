/** Owns the proof that row-level security has hidden nothing from a read. Promise: no answer from a part of the rows. */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { RelayError } from '../../errors.ts';
import { openClient } from './client.ts';
import { quoteTable } from './quoting.ts';
import { rowSecurity } from './row-security.ts';
import { query, statement } from './statement.ts';

/**
 * To be called after a read from whose result something is concluded: while a session lasts, row-level security may be
 * turned on for a table, or its policy dropped, and a session whose `row_security` is on then reads fewer rows without an
 * error. A transaction that has read a table holds a lock that keeps its policies as they are, so a call before the end of
 * that transaction says what the read saw.
 * @param client sees the catalogue as it is now: in no repeatable-read transaction, which shows policies that are dropped
 * @param tables `schema.table`, each
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
    `row-level security may hide rows of ${names} from the role; what was read may not be all there is`,
  );
}

/** The same on a connection of its own, for a read in a snapshot. */
export async function assertRowsShownNow(config: Config, tables: readonly string[]): Promise<void> {
  const client = await openClient(config, 'outbox-relay', config.database.statementTimeoutMs);
  try {
    await assertRowsShown(client, config, tables);
  } finally {
    await client.end().catch(() => {});
  }
}
