/** Owns the removal of closed dead letters, by age and by count. Open and parked ones always stay. */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';

export type Retention = {
  /** A person can only remove what was closed at least a day ago; migration 0011 says why. */
  readonly by: 'relay' | 'person';
  /** Closed longer ago than this. */
  readonly olderThanSeconds?: number | undefined;
  /** Keep so many: those that were closed last. */
  readonly keep?: number | undefined;
  /** Only dead letters of these. */
  readonly statuses?: readonly string[] | undefined;
  /** Called after each round with the number removed so far. By default the rounds go on to the end. */
  readonly mayGoOn?: ((purged: number) => boolean) | undefined;
};

export type Purged = {
  readonly purged: number;
  /** Whether both limits are met. */
  readonly isDone: boolean;
};

const closed = ['resubmitted', 'discarded', 'released'] as const;

/** One call of a function in the database removes so many at most; migration 0010 says why. */
export const roundLetters = 10_000;

/**
 * Removes dead letters beyond either limit, with their audit trail, in rounds. Each round is a transaction.
 * @throws RelayError POSTGRES_*; the rounds before stay done
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

/**
 * How many dead letters a person would remove now, beyond either limit. Reads only.
 * @throws RelayError POSTGRES_*
 */
export async function countRemovable(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  { olderThanSeconds, keep, statuses = closed }: Pick<Retention, 'olderThanSeconds' | 'keep' | 'statuses'>,
): Promise<number> {
  const [row] = await query(client, removable, [slot, olderThanSeconds ?? null, keep ?? null, statuses]);
  return Number(row?.n);
}

/** What outbox.remove_closed would take of either limit. Without a number to keep there is no row to compare with. */
const removable = statement<{ n: string }>(
  'ledger.count_removable',
  'counting the dead letters that could be removed',
  `with chosen as (
     select closed_at, commit_lsn, ordinal, released_lsn from outbox.dead_letter
      where slot = $1 and status in ('resubmitted', 'discarded', 'released') and status = any ($4::text[])),
   kept as (
     select closed_at, commit_lsn, ordinal from chosen where $3::bigint is not null
      order by closed_at desc, commit_lsn desc, ordinal desc offset $3::bigint - 1 limit 1)
   select count(*) as n from chosen
    where (released_lsn is null or released_lsn < (select end_lsn from outbox.progress where slot = $1))
      and (closed_at < now() - make_interval(secs => $2::float8)
           or closed_at < now() - interval '1 day'
              and (closed_at, commit_lsn, ordinal) < (select closed_at, commit_lsn, ordinal from kept))`,
);

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
