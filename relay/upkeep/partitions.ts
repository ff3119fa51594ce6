/** Keeps daily partitions of the outbox made ahead, so that rows land where cleanup can drop them by the day. */
import type pg from 'pg';
import { query } from '../connect/postgres/statement.ts';

/** Why a day has no partition of its own: see migration 0012. */
export type SkipReason = 'rows' | 'large' | 'overlap';

export type Partitions = {
  /** Names. */
  readonly made: readonly string[];
  /** Names of those that were not, by reason. */
  readonly skipped: Readonly<Partial<Record<SkipReason, readonly string[]>>>;
};

/**
 * Makes the missing partitions from today to `daysAhead` days later (UTC), each in a transaction of its own: the locks of
 * one are let go before the next. Safe to repeat and to run from several relays at once. A failure loses nothing, as rows
 * then land in the default partition: the call may be repeated at leisure.
 *
 * @param daysAhead 0 to 366
 * @throws RelayError POSTGRES_UNAVAILABLE also when a lock was not free for 1 s; POSTGRES_UNAUTHORIZED without EXECUTE;
 * OUTBOX_TABLE_INVALID when the function is not there. The days before that one are made.
 */
export async function ensurePartitions(
  client: pg.Pool | pg.ClientBase,
  daysAhead: number,
  signal?: AbortSignal,
): Promise<Partitions> {
  const made: string[] = [];
  const skipped: Partial<Record<SkipReason, string[]>> = {};
  for (let days = 0; days <= daysAhead && signal?.aborted !== true; days++) {
    const [row] = await query<{ name: string; outcome: 'made' | 'exists' | SkipReason }>(
      client,
      'making partitions ahead',
      `select partition_name as name, outcome from outbox.ensure_partition((now() at time zone 'UTC')::date + $1::int)`,
      [days],
    );
    const { name, outcome } = row!;
    if (outcome === 'made') made.push(name);
    else if (outcome !== 'exists') skipped[outcome] = [...(skipped[outcome] ?? []), name];
  }
  return { made, skipped };
}
