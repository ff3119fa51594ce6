/** Owns how names from the configuration become SQL. */
import pg from 'pg';

/** `schema.table` as an SQL identifier. */
export function quoteTable(table: string): string {
  return table
    .split('.')
    .map((part) => pg.escapeIdentifier(part))
    .join('.');
}
