/** Keeps daily partitions of the outbox made ahead, so that rows land where cleanup can drop them by the day. */
import type { ClientBase } from 'pg';

/**
 * Makes the missing partitions from today to `daysAhead` days later (UTC) and returns their names. Safe to repeat and
 * to run from several relays at once. A failure loses nothing, as rows then land in the default partition: the call
 * may be repeated at leisure.
 *
 * @param daysAhead 0 to 366
 * @throws pg.DatabaseError as it is: 55P03 when a lock was not free for 1 s, 42501 without EXECUTE, 42883 when the
 * outbox table is not the one that `outbox-relay migrate` makes
 */
export async function ensurePartitions(client: ClientBase, daysAhead: number): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    'select name from outbox.ensure_partitions($1) as name',
    [daysAhead],
  );
  return rows.map((row) => row.name);
}
