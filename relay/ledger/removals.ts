/** Owns what is known of rows that cleanup has removed: no record is leaked because its row is gone. */
import { sqlStateOf, sqlStates } from '../connect/postgres/errors.ts';
import { type Client, query, statement } from '../connect/postgres/statement.ts';

/** When something was last removed, ms since 1970; null if never. @throws RelayError POSTGRES_* */
export async function readLastRemoval(client: Client): Promise<number | null> {
  const [row] = await query(client, lastRemoval);
  return row?.ms ?? null;
}

const lastRemoval = statement<{ ms: number | null }>(
  'ledger.read_last_removal',
  'reading what was removed',
  `select (extract(epoch from (select removed_at from outbox.removal order by id desc limit 1)) * 1000)::float8 as ms`,
);

/**
 * No row was removed that was written later, ms since 1970; undefined if none was removed. Read it after the table.
 * @throws RelayError POSTGRES_*
 */
export async function readRemovedBefore(client: Client): Promise<number | undefined> {
  try {
    const [row] = await query(client, removedBefore);
    return row?.ms ?? undefined;
  } catch (error) {
    // An outbox that something else publishes has no tables of the relay.
    const state = sqlStateOf(error);
    if (state === sqlStates.undefinedTable || state === sqlStates.invalidSchemaName) return undefined;
    throw error;
  }
}

const removedBefore = statement<{ ms: number | null }>(
  'ledger.read_removed_before',
  'reading what was removed',
  'select (extract(epoch from max(rows_before)) * 1000)::float8 as ms from outbox.removal',
);
