/**
 * Looks after a session that makes a slot. Postgres waits for every transaction that runs at its start, so it may take any
 * time and no time limit fits; what it waits for is told here instead, and a session that is no more, while its client
 * was not told so, is found out over another connection.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import { RelayError } from '../errors.ts';

/** A transaction that is waited for; null where the role may not see it. */
export type Blocker = {
  /** Of the session; null for a prepared transaction. */
  readonly pid: number | null;
  readonly user: string | null;
  readonly applicationName: string | null;
  /** Name of a prepared transaction. */
  readonly prepared: string | null;
  readonly openForSeconds: number | null;
};

export type CreationWatch = {
  /** Another way to the server. */
  readonly pool: pg.Pool;
  /** Told at each look with whom the creation waits for; nobody, where it waits for the server itself. */
  readonly onWaiting: (blockers: readonly Blocker[]) => void;
  readonly everyMs?: number;
};

/** As often as other steps that take long tell of it. */
const lookEveryMs = 5_000;

/**
 * Looks until `signal`.
 * @param pid of the session that makes the slot
 * @throws RelayError POSTGRES_UNAVAILABLE once that session is gone, or done for longer than an answer takes; POSTGRES_*
 * where the server cannot be asked
 */
export async function watchCreation(watch: CreationWatch, pid: number, signal: AbortSignal): Promise<void> {
  for (let wasDone = false; ; ) {
    await delay(watch.everyMs ?? lookEveryMs, undefined, { signal });
    const [session] = await query(watch.pool, readState, [pid]);
    if (signal.aborted) return;
    const isDone = session?.state === 'idle';
    if (session === undefined || (isDone && wasDone))
      throw new RelayError('POSTGRES_UNAVAILABLE', 'the connection on which the slot is made was lost');
    wasDone = isDone;
    watch.onWaiting(await readBlockers(watch.pool, pid));
  }
}

const readState = statement<{ state: string | null }>(
  'capture.read_creating_session',
  'looking after the creation of the slot',
  'select state from pg_stat_activity where pid = $1',
);

/** A prepared transaction has no session: `pg_blocking_pids` calls it 0, and its lock names it. */
function readBlockers(pool: pg.Pool, pid: number): Promise<Blocker[]> {
  return query(pool, readBlocking, [pid]);
}

const readBlocking = statement<Blocker>(
  'capture.read_creation_blockers',
  'asking what the creation of the slot waits for',
  `select pid, usename as user, application_name as "applicationName", null as prepared,
           extract(epoch from now() - xact_start)::int as "openForSeconds"
      from pg_stat_activity where pid = any (pg_blocking_pids($1))
     union all
    select null, owner, null, gid, extract(epoch from now() - prepared)::int
      from pg_prepared_xacts
     where transaction in (select transactionid from pg_locks where pid = $1 and not granted)`,
);
