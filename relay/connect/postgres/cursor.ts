/** Owns how many rows are read in little memory: through a cursor of the server. */
import type pg from 'pg';
import { query, type Statement, statement } from './statement.ts';

/**
 * The rows of a statement, page by page, within a transaction. One cursor at a time.
 * @param rowsMax of one page: round trips against what the driver holds at once
 */
export async function* pages<Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  { name, doing, text }: Statement<Row>,
  values: readonly unknown[],
  rowsMax: number,
): AsyncGenerator<Row[]> {
  const declare = `declare pages no scroll cursor for ${text}`;
  await query(client, statement(`${name}.declare`, doing, declare), values);
  const fetch = statement<Row>(`${name}.fetch`, doing, `fetch ${rowsMax} from pages`);
  for (;;) {
    const rows = await query(client, fetch);
    if (rows.length > 0) yield rows;
    if (rows.length < rowsMax) break;
  }
  await query(client, statement(`${name}.close`, doing, 'close pages'));
}
