/** Owns COPY … FROM STDIN over a `pg` connection: a hook of pg's own query class that its types leave out. */

import pg from 'pg';
import { withResolvers } from '../relay/model/builtins.ts';

/** What pg passes to the hook: the connection, of whose methods COPY needs two. */
type CopySink = { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void };

/** Copies rows in one statement; a NULL is null. @throws what Postgres answers */
export async function copyRows(
  client: pg.ClientBase,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly (string | null)[])[],
): Promise<void> {
  const { promise, resolve, reject } = withResolvers<void>();
  const query = new pg.Query(`copy ${table} (${columns.join()}) from stdin`, (error: Error | undefined) =>
    error ? reject(error) : resolve(),
  );
  const handleCopyInResponse = (sink: CopySink) => {
    sink.sendCopyFromChunk(Buffer.from(rows.map((row) => `${row.map(field).join('\t')}\n`).join('')));
    sink.endCopyFrom();
  };
  client.query(Object.assign(query, { handleCopyInResponse }));
  await promise;
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** @see https://www.postgresql.org/docs/current/sql-copy.html (text format) */
function field(value: string | null): string {
  return value === null ? '\\N' : value.replace(/[\\\t\n\r]/g, (char) => escapes[char]!);
}
