/** Keeps daily partitions of the outbox made ahead, so that rows land where cleanup can drop them by the day. */
import type pg from 'pg';
import { query } from '../postgres.ts';

/**
 * Makes the missing partitions from today to `daysAhead` days later (UTC) and returns their names. Safe to repeat and
 * to run from several relays at once. A failure loses nothing, as rows then land in the default partition: the call
 * may be repeated at leisure.
 *
 * @param daysAhead 0 to 366
 * @throws RelayError POSTGRES_UNAVAILABLE also when a lock was not free for 1 s; POSTGRES_UNAUTHORIZED without EXECUTE;
 * OUTBOX_TABLE_INVALID when the function is not there, because the outbox is not the one that `migrate` makes.
 */
export async function ensurePartitions(
  client: pg.Pool | pg.ClientBase,
  daysAhead: number,
): Promise<string[]> {
  const rows = await query<{ name: string }>(
    client,
    'making partitions ahead',
    'select name from outbox.ensure_partitions($1) as name',
    [daysAhead],
  );
  return rows.map((row) => row.name);
}
