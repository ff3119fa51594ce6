/** Retention of dead letters that are closed, by age and by count. What is open or parked always stays. */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';

export type Retention = {
  /** Whose: what a person removes must have been closed a day before, as migration 0011 says and why. */
  readonly by: 'relay' | 'person';
  /** Closed longer ago than this. */
  readonly olderThanSeconds?: number | undefined;
  /** All but so many, the ones that were closed last. */
  readonly keep?: number | undefined;
  /** Of these only, of which one may be left out. */
  readonly statuses?: readonly string[] | undefined;
  /** Asked after each round, with what is removed so far; without it all rounds are done. */
  readonly mayGoOn?: ((purged: number) => boolean) | undefined;
};

export type Purged = {
  readonly purged: number;
  /** Whether nothing is left that either limit does not allow. */
  readonly isDone: boolean;
};

const closed = ['resubmitted', 'discarded', 'released'] as const;

/** What one call of either function removes at most, as migration 0010 says and why. */
export const roundLetters = 10_000;

/**
 * Removes what either limit does not allow, with its trail, in rounds that are each a transaction of their own.
 * @throws RelayError POSTGRES_*; what was removed before stays so
 */
export async function purgeClosed(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  { by, olderThanSeconds, keep, statuses = closed, mayGoOn = () => true }: Retention,
): Promise<Purged> {
  const { byAge, byCount } = functions[by];
  let purged = 0;
  for (const [purge, limit] of [
    [byAge, olderThanSeconds],
    [byCount, keep],
  ] as const) {
    if (limit === undefined) continue;
    for (let removed = roundLetters; removed >= roundLetters; ) {
      if (purged > 0 && !mayGoOn(purged)) return { purged, isDone: false };
      const [row] = await query(client, purge, [slot, limit, statuses]);
      removed = Number(row?.n);
      purged += removed;
    }
  }
  return { purged, isDone: true };
}

const removing = (name: string, call: string) =>
  statement<{ n: string }>(name, 'removing dead letters', `select outbox.${call} as n`);

const functions = {
  relay: {
    byAge: removing('ledger.purge', 'purge_dead_letters($1, make_interval(secs => $2), $3)'),
    byCount: removing('ledger.purge_beyond', 'purge_dead_letters_beyond($1, $2, $3)'),
  },
  person: {
    byAge: removing('ledger.purge_old', 'purge_old_dead_letters($1, make_interval(secs => $2), $3)'),
    byCount: removing('ledger.purge_old_beyond', 'purge_old_dead_letters_beyond($1, $2, $3)'),
  },
} as const;
