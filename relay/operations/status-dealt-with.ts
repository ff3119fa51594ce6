/**
 * What people have already done about the open dead letters of a slot, for its status. Changes nothing. Promise: of more
 * than are looked at, and where the role may not see who did what, nothing is claimed.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import { asRelayError } from '../errors.ts';
import { fixedAt, isOfParkedKey, isReleaseAsked } from './dead-letters/selection.ts';

export type DealtWith = {
  /** The oldest open ones, which were looked at. */
  readonly read: number;
  /** Fixed, and a release of their key publishes them. */
  readonly release: number;
  /** Fixed, and `resubmit` publishes them. */
  readonly resubmit: number;
  /** A release of their key is requested, and the relay has not met the request. */
  readonly underWay: number;
};

/** Why it is not known. */
export type NotSeen = { readonly code: string; readonly message: string };

/** Each takes some microseconds in Postgres; the console looks every 2 s. */
const lettersMax = 1_000;

/** @returns why not where the role may not see it @throws RelayError POSTGRES_* */
export async function readDealtWith(pool: pg.Pool, slot: string): Promise<DealtWith | NotSeen> {
  try {
    const [row] = await query(pool, count, [slot]);
    const { read, release, resubmit, under_way } = row!;
    return {
      read: Number(read),
      release: Number(release),
      resubmit: Number(resubmit),
      underWay: Number(under_way),
    };
  } catch (error) {
    const { code, message } = asRelayError(error);
    if (code === 'POSTGRES_UNAUTHORIZED') return { code, message };
    throw error;
  }
}

const count = statement<{ read: string; release: string; resubmit: string; under_way: string }>(
  'operations.count_dealt_with',
  'counting the dead letters that are fixed',
  `select count(*) as read, count(*) filter (where state = 'release') as release,
          count(*) filter (where state = 'resubmit') as resubmit, count(*) filter (where state = 'under-way') as under_way
     from (select case when ${isReleaseAsked} then 'under-way' when ${fixedAt} is null then 'repair'
                       when ${isOfParkedKey} then 'release' else 'resubmit' end as state
             from (select * from outbox.dead_letter where slot = $1 and status = 'open'
                    order by commit_lsn, ordinal limit ${lettersMax}) as letter) as seen`,
);
