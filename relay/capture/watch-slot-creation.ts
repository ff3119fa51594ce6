/**
 * Watches a session that creates a slot. Postgres waits for every transaction that runs at its start, so no time limit
 * fits. Instead, another connection reports what it waits for, and notices a session that has ended without its client
 * learning of it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import { RelayError } from '../errors.ts';

/** A transaction that Postgres waits for; null is what the role may not see. */
export type Blocker = {
  /** Process of the session; null for a prepared transaction. */
  readonly pid: number | null;
  readonly user: string | null;
  readonly applicationName: string | null;
  /** Name of a prepared transaction. */
  readonly prepared: string | null;
  readonly openForSeconds: number | null;
};

export type CreationWatch = {
  /** Another connection to the server. */
  readonly pool: pg.Pool;
  /** Gets at each look the transactions that Postgres waits for; none if it waits for the server itself. */
  readonly onWaiting: (blockers: readonly Blocker[]) => void;
  readonly everyMs?: number;
};

/** As often as other slow steps report. */
const lookEveryMs = 5_000;

/**
 * Looks until `signal`.
 * @param pid process of the session that creates the slot
 * @throws RelayError POSTGRES_UNAVAILABLE once that session is gone, or has been done for longer than an answer takes;
 * POSTGRES_* if the server cannot be asked
 */
export async function watchCreation(watch: CreationWatch, pid: number, signal: AbortSignal): Promise<void> {
  for (let wasDone = false; ; ) {
    await delay(watch.everyMs ?? lookEveryMs, undefined, { signal });
    const [session] = await query(watch.pool, readState, [pid]);
    if (signal.aborted) return;
    const isDone = session?.state === 'idle';
    if (session === undefined || (isDone && wasDone))
      throw new RelayError('POSTGRES_UNAVAILABLE', 'the connection that creates the slot was lost');
    wasDone = isDone;
    watch.onWaiting(await readBlockers(watch.pool, pid));
  }
}

const readState = statement<{ state: string | null }>(
  'capture.read_creating_session',
  'watching the creation of the slot',
  'select state from pg_stat_activity where pid = $1',
);

/** A prepared transaction has no session: `pg_blocking_pids` gives 0, and its lock has its number. */
function readBlockers(pool: pg.Pool, pid: number): Promise<Blocker[]> {
  return query(pool, readBlocking, [pid]);
}

const readBlocking = statement<Blocker>(
  'capture.read_creation_blockers',
  'reading what the creation of the slot waits for',
  `select pid, usename as user, application_name as "applicationName", null as prepared,
           extract(epoch from now() - xact_start)::int as "openForSeconds"
      from pg_stat_activity where pid = any (pg_blocking_pids($1))
     union all
    select null, owner, null, gid, extract(epoch from now() - prepared)::int
      from pg_prepared_xacts
     where transaction in (select transactionid from pg_locks where pid = $1 and not granted)`,
);
