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

/** Of an event whose row is gone: the partition of its day, where cleanup dropped it, or else what cleanup removed at all. */
export type RemovalOfDay = {
  readonly relation: string | null;
  readonly removedAt: string;
  readonly archive: string | null;
  readonly rowsBefore: string;
};

/** @param times ISO, of the commits @returns one for each, undefined where no row of that time was removed @throws RelayError POSTGRES_* */
export async function readRemovalsOf(
  client: Client,
  times: readonly string[],
): Promise<(RemovalOfDay | undefined)[]> {
  const rows = await query(client, removalsOf, [times]);
  const found = new Map(rows.map(({ n, ...row }) => [n, row]));
  return times.map((_, index) => found.get(index + 1));
}

const iso = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const removalsOf = statement<RemovalOfDay & { n: number }>(
  'ledger.read_removals_of',
  'reading what was removed',
  `select n::float8 as n, case when is_of_day then relation end as relation, ${iso('removed_at')} as "removedAt",
          case when is_of_day then archive end as archive, ${iso('rows_before')} as "rowsBefore"
     from unnest($1::timestamptz[]) with ordinality as event(at, n) cross join lateral (
      select relation, removed_at, archive, rows_before,
             relation = 'outbox.event_' || to_char(at at time zone 'UTC', 'YYYYMMDD') as is_of_day
        from outbox.removal where removed_rows > 0 and rows_before > at
       order by 5 desc, id desc limit 1) as removal`,
);
