/** Retention of dead letters that are closed, by age and by count. What is open or parked always stays. */
import type pg from 'pg';
import { query } from '../postgres.ts';

export type Retention = {
  /** Closed longer ago than this. */
  readonly olderThanSeconds?: number | undefined;
  /** All but so many, the ones that were closed last. */
  readonly keep?: number | undefined;
  /** Of removals by count, each of `roundLetters` at most; as many as it takes by default. */
  readonly mostRounds?: number | undefined;
};

const closed = ['resubmitted', 'discarded', 'released'] as const;

/** What one call of `outbox.purge_dead_letters_beyond` removes at most. */
export const roundLetters = 10_000;

/**
 * Removes what either limit does not allow, with its trail.
 * @returns how many
 * @throws RelayError POSTGRES_*
 */
export async function purgeClosed(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  { olderThanSeconds, keep, mostRounds = Number.POSITIVE_INFINITY }: Retention,
  statuses: readonly string[] = closed,
): Promise<number> {
  let purged = 0;
  const remove = async (text: string, limit: number) => {
    const [row] = await query<{ purged: string }>(client, 'removing dead letters', text, [
      slot,
      limit,
      statuses,
    ]);
    purged += Number(row?.purged);
    return Number(row?.purged);
  };
  if (olderThanSeconds !== undefined)
    await remove(
      'select outbox.purge_dead_letters($1, make_interval(secs => $2), $3::text[]) as purged',
      olderThanSeconds,
    );
  if (keep === undefined) return purged;
  const beyond = 'select outbox.purge_dead_letters_beyond($1, $2, $3::text[]) as purged';
  for (let round = 0; round < mostRounds; round++) if ((await remove(beyond, keep)) < roundLetters) break;
  return purged;
}
