/** Creates the daily partitions of the outbox ahead, so that rows can be dropped by the day. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Duty } from './duty.ts';

/** Partitions are made a week ahead, so looking once an hour leaves 167 more tries. */
const partitionsIntervalMs = 3_600_000;

/**
 * The first pause after a failure: each try may hold up the application's INSERTs for the second that it waits for a lock,
 * here a sixtieth of the time at most.
 */
const partitionsRetryMs = 60_000;

/** Why a day has no partition of its own: see migration 0012. */
export type SkipReason = 'rows' | 'large' | 'overlap';

export type Partitions = {
  /** Names. */
  readonly made: readonly string[];
  /** Names of those that were not, by reason. */
  readonly skipped: Readonly<Partial<Record<SkipReason, readonly string[]>>>;
};

type Means = { readonly config: Config; readonly pool: pg.Pool; readonly observer: RelayObserver };

/** undefined where the settings ask for no partitions. */
export function partitionsDuty({ config, pool, observer }: Means): Duty | undefined {
  const daysAhead = config.outbox.partitionsDaysAhead;
  if (daysAhead === 0) return undefined;
  return {
    name: 'partitions',
    everyMs: partitionsIntervalMs,
    retryMs: partitionsRetryMs,
    run: async (signal) => {
      const { made, skipped } = await ensurePartitions(pool, daysAhead, signal);
      if (made.length > 0) observer.partitionsMade?.({ partitions: made });
      for (const [reason, partitions] of Object.entries(skipped))
        observer.partitionsSkipped?.({ reason: reason as SkipReason, partitions });
    },
  };
}

/**
 * Creates the missing partitions from today to `daysAhead` days later (UTC). Each has a transaction of its own, which frees
 * its locks before the next. Safe to repeat, and to run from several relays at once. A failure loses nothing: rows then
 * land in the default partition.
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
    const [row] = await query(client, ensurePartition, [days]);
    const { name, outcome } = row!;
    if (outcome === 'made') made.push(name);
    else if (outcome !== 'exists') skipped[outcome] = [...(skipped[outcome] ?? []), name];
  }
  return { made, skipped };
}

const ensurePartition = statement<{ name: string; outcome: 'made' | 'exists' | SkipReason }>(
  'upkeep.ensure_partition',
  'making partitions ahead',
  `select partition_name as name, outcome from outbox.ensure_partition((now() at time zone 'UTC')::date + $1::int)`,
);
