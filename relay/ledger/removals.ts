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
 * How many rows were removed that may say that they were written from a time on, and before which time all of them say so;
 * undefined for none.
 * @param from ISO; null for any
 * @throws RelayError POSTGRES_*
 */
export async function readRemovedSince(
  client: Client,
  from: string | null,
): Promise<{ readonly rows: number; readonly before: string } | undefined> {
  const [row] = await query(client, removedSince, [from]);
  return row === undefined || row.before === null
    ? undefined
    : { rows: Number(row.rows), before: row.before };
}

const removedSince = statement<{ rows: string | null; before: string | null }>(
  'ledger.read_removed_since',
  'reading what was removed',
  `select sum(removed_rows) as rows,
          to_char(max(rows_before) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as before
     from outbox.removal where removed_rows > 0 and ($1::timestamptz is null or rows_before > $1)`,
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
