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

export type Removals = {
  /** No row was removed that says it was written later, ms since 1970. */
  readonly beforeMs: number;
  /** When rows were last removed. Each of them was committed before that, whatever it says. */
  readonly lastMs: number;
};

/** undefined if none was removed. Read it after the table. @throws RelayError POSTGRES_* */
export async function readRemovals(client: Client): Promise<Removals | undefined> {
  try {
    const [row] = await query(client, removals);
    return row === undefined || row.beforeMs === null ? undefined : (row as Removals);
  } catch (error) {
    // An outbox that something else publishes has no tables of the relay.
    const state = sqlStateOf(error);
    if (state === sqlStates.undefinedTable || state === sqlStates.invalidSchemaName) return undefined;
    throw error;
  }
}

const removals = statement<{ beforeMs: number | null; lastMs: number | null }>(
  'ledger.read_removals',
  'reading what was removed',
  `select (extract(epoch from max(rows_before)) * 1000)::float8 as "beforeMs",
          (extract(epoch from (select removed_at from outbox.removal order by id desc limit 1)) * 1000)::float8 as "lastMs"
     from outbox.removal`,
);
