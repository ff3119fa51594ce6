/** What the checks of Postgres are given, and how they ask. */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import type { Check } from './finding.ts';

export type PostgresContext = { readonly pool: pg.Pool; readonly config: Config };

export type PostgresCheck = Check<PostgresContext>;

/** Asks what has exactly one row as its answer. */
export async function one<Row extends pg.QueryResultRow>(
  { pool }: PostgresContext,
  name: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row> {
  const [row] = await query(pool, statement<Row>(name, 'checking Postgres', sql), values);
  return row as Row;
}
