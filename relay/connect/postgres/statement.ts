/** Owns how a statement is run. */
import type pg from 'pg';
import { postgresError } from './errors.ts';

/** Runs a query whose failure leaves as a `RelayError`. */
export async function query<Row extends pg.QueryResultRow>(
  client: pg.Pool | pg.ClientBase,
  doing: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  try {
    return (await client.query<Row>(text, [...values])).rows;
  } catch (error) {
    throw postgresError(error, doing);
  }
}
