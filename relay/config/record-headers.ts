/** Owns the names of the headers of a record that the settings choose, and those that they cannot. Pure. */
import type { Config } from './schema.ts';

/** Fields of a row that can be headers. All of them are in every record and every dead letter. */
export const headerFields = ['id', 'type', 'aggregatetype', 'aggregateid'] as const;
export type HeaderField = (typeof headerFields)[number];

/**
 * What verify, recover and replay find a record by: only the relay writes them, or it reads them and leaves them out. No
 * setting gives these names another meaning.
 */
export const fixedHeaders: ReadonlySet<string> = new Set([
  'id',
  'position',
  'schema-version',
  'committed-at',
  'split-transaction',
  'replay-id',
  'backfill-id',
  'replayed-at',
]);

export const defaultHeaders: Readonly<Record<string, HeaderField>> = { type: 'type' };

export function areDefaultHeaders({ headers }: Pick<Config['records'], 'headers'>): boolean {
  return Object.keys(headers).length === 1 && headers.type === 'type';
}

/** The header that holds the field; undefined where none does. */
export function headerOf(
  { headers }: Pick<Config['records'], 'headers'>,
  field: HeaderField,
): string | undefined {
  return Object.entries(headers).find(([, each]) => each === field)?.[0];
}
