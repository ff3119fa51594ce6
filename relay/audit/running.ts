/**
 * Owns when a record without a row may be judged. A transaction is published once its commit record is in the WAL, and its
 * rows show later: a moment later, or once a synchronous standby has confirmed it, however long that takes. Promise: a
 * record is called leaked only if every transaction that ran when it was read has ended, and the table has no row of it
 * then. For `verify`, for the audit of another publisher, and for the windows of the standing audit alike.
 */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { pause } from '../connect/backoff.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { type Lsn, parseLsn } from '../model/position.ts';
import { findEvents } from './read-table.ts';

/**
 * Where the WAL ends now, and a snapshot that lists every transaction that runs now. Postgres' own ends behind the last one
 * that has ended: of a later one it does not say whether it has begun. Where commits wait for a standby, none ends, and what
 * they have committed is published meanwhile.
 */
export async function readNow(client: pg.ClientBase): Promise<{ lsn: Lsn; snapshot: string }> {
  const [row] = await query(client, readEnd);
  return { lsn: parseLsn(row!.lsn), snapshot: row!.snapshot };
}

const readEnd = statement<{ lsn: string; snapshot: string }>(
  'audit.read_now',
  'reading the WAL position',
  `select pg_current_wal_insert_lsn()::text as lsn, format('%s:%s:%s', oldest, next,
        (select string_agg(x::text, ',' order by x)
          from (select pg_snapshot_xip(taken)::text::bigint union select generate_series(ended, next - 1)) as runs(x))) as snapshot
    from (select pg_current_snapshot() as taken offset 0) as it,
      lateral (select pg_snapshot_xmin(taken)::text::bigint as oldest, pg_snapshot_xmax(taken)::text::bigint as ended) as ends,
      -- The next number that is given out is as far ahead as the oldest one is old.
      lateral (select oldest + age((oldest % 4294967296)::text::xid) as next) as numbers`,
);

/**
 * Whether all transactions that ran at each snapshot have ended, as the snapshot of the client shows it. Those of other
 * databases do not count: they cannot have written to this table.
 * @param snapshots of `readNow`, which lists each transaction that ran
 */
export async function haveEnded(client: pg.ClientBase, snapshots: readonly string[]): Promise<boolean[]> {
  const rows = await query(client, readEnded, [snapshots]);
  return rows.map(({ ended }) => ended);
}

const readEnded = statement<{ ended: boolean }>(
  'audit.read_ended',
  'reading which transactions have ended',
  `with elsewhere as (
      select l.transactionid::text as xid from pg_locks l join pg_stat_activity a on a.pid = l.pid
        where l.locktype = 'transactionid' and l.granted and a.datname <> current_database()
      union all
      select transaction::text from pg_prepared_xacts where database <> current_database())
    select not exists (
        select from pg_snapshot_xip(s.text::pg_snapshot) as x(xid)
          where not pg_visible_in_snapshot(x.xid, pg_current_snapshot())
            and (x.xid::text::numeric % 4294967296)::text not in (select xid from elsewhere)) as ended
    from unnest($1::text[]) with ordinality as s(text, at) order by s.at`,
);

export type SecondLook = {
  /** Outside a transaction, so that each statement sees what shows by then. */
  readonly client: pg.Client;
  readonly config: Config;
  /** The snapshot of `readNow`, taken once the ends of the topics were known. */
  readonly running: string;
  /** How long to wait for transactions to end, in ms. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onWait?: () => void;
};

/** Between two looks at what has ended. */
const lookMs = 500;

/**
 * Looks once more for events that the table lacked, and again when every transaction that might show them has ended.
 * @param suspects ids of those that are not found yet
 * @returns whether the table has none of the rest. False if transactions still ran after `waitMs`
 */
export async function lookAgain(
  { client, config, running, waitMs, signal, onWait }: SecondLook,
  suspects: () => Iterable<string>,
  onFound: (id: string) => void,
): Promise<boolean> {
  const untilMs = performance.now() + waitMs;
  // Asked before the table: whatever has ended by then shows there.
  const hasEnded = async () => (await haveEnded(client, [running]))[0] === true;
  let isFinal = await hasEnded();
  await findEvents(client, config, suspects(), onFound);
  if (isFinal || isEmpty(suspects())) return true;
  onWait?.();
  for (; !isFinal && performance.now() < untilMs; isFinal = await hasEnded()) {
    signal?.throwIfAborted();
    await pause(lookMs, signal);
  }
  await findEvents(client, config, suspects(), onFound);
  return isFinal || isEmpty(suspects());
}

const isEmpty = (some: Iterable<unknown>): boolean => some[Symbol.iterator]().next().done === true;
