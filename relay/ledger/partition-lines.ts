/** Reads a partition of outbox.event as it is archived. */
import type pg from 'pg';
import { pages } from '../connect/postgres/cursor.ts';
import { postgresError } from '../connect/postgres/errors.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { beginReadOnly } from '../connect/postgres/transaction.ts';
import { bareName, type Pages, type Piece } from './cleanup.ts';

/** Lines in memory at once. A row may have some MB. */
const linesMax = 50;

/**
 * The rows of some pages of a partition of outbox.event, each as the text of a JSON object whose values are texts.
 * @throws RelayError POSTGRES_*
 */
export async function* readLines(pool: pg.Pool, piece: Piece, { from, to }: Pages): AsyncGenerator<string[]> {
  const client = await connected(pool);
  let failure: Error | undefined;
  try {
    await beginReadOnly(client, lines.doing, 'read committed');
    for await (const rows of pages(client, lines, [bareName(piece), from, to], linesMax))
      yield rows.map(({ line }) => line);
    await query(client, endOfLines);
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.release(failure);
  }
}

function connected(pool: pg.Pool): Promise<pg.PoolClient> {
  return pool.connect().catch((error: unknown) => {
    throw postgresError(error, lines.doing);
  });
}

const lines = statement<{ line: string }>(
  'ledger.read_lines',
  'archiving a partition',
  'select line from outbox.partition_lines($1, $2, $3) as line',
);

const endOfLines = statement('ledger.end_lines', 'archiving a partition', 'rollback');
