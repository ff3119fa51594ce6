/**
 * Owns what lies beyond a progress, in SQL, and takes it back: a process decided it and died before the commit, and the
 * stream brings those events again.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import { formatLsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import type { TopicKey } from '../refusals/parked-keys.ts';

/** The end of the stream that a progress covers. */
export type CoveredEnd = Pick<Progress, 'slot' | 'endLsn' | 'systemIdentifier'>;

/** A dead letter that a session closed because the stream brings its event again. */
export const isReread = `status = 'resubmitted' and context ? 'reread'`;

/**
 * `$2` to `$5` are the progress. A position in the WAL of another cluster, where the database was before, does not count:
 * nobody reads that event again.
 */
export const isBeyond = `system_identifier = $5 and commit_lsn >= $2 and commit_lsn < pg_current_wal_insert_lsn()
  and (commit_lsn, ordinal) >= (coalesce($3::pg_lsn, '0/0'), coalesce($4::bigint, 0))`;

/**
 * The stream brings dead letters beyond the progress again, and may publish them this time, for example because their
 * schema is registered now. If they stayed open, a person could send them a second time. So they count as resubmitted,
 * and an event that is refused again is opened again.
 */
export async function rereadDeadLetters(client: pg.PoolClient, progress: Progress): Promise<number> {
  const rows = await query(client, reread, boundsOf(progress));
  return rows.length;
}

const reread = statement(
  'ledger.reread_dead_letters',
  'closing dead letters that are read again',
  `update outbox.dead_letter set status = 'resubmitted', context = context || '{"reread": true}'
    where slot = $1 and status in ('open', 'parked') and ${isBeyond} returning 1`,
);

/** A release counts once the progress covers the whole transaction that asked for it. */
export async function takeBackReleases(
  client: pg.PoolClient,
  { slot, endLsn, systemIdentifier }: CoveredEnd,
): Promise<void> {
  const values = [slot, formatLsn(endLsn), systemIdentifier];
  await query(client, takeBackLetters, values);
  await query(client, takeBackRequests, values);
  await query(client, takeBackMovedKeys, values);
  await query(client, takeBackReleasedKeys, values);
}

const takeBackLetters = statement(
  'ledger.take_back_released_letters',
  'taking back releases',
  `update outbox.dead_letter set status = case when code in ('KEY_PARKED', 'TOPIC_PAUSED') then 'parked' else 'open' end, released_lsn = null
    where slot = $1 and status = 'released' and ${isUncovered('released_lsn')}`,
);

const takeBackRequests = statement(
  'ledger.take_back_requests',
  'taking back releases',
  `update outbox.key_release set processed_lsn = null, outcome = null, published = null, refused = null, processed_at = null
    where slot = $1 and ${isUncovered('processed_lsn')}`,
);

/** The row in whose place it is follows. */
const takeBackMovedKeys = statement(
  'ledger.take_back_moved_keys',
  'taking back releases',
  `delete from outbox.parked_key where slot = $1 and ${isUncovered('moved_lsn')}`,
);

const takeBackReleasedKeys = statement(
  'ledger.take_back_released_keys',
  'taking back releases',
  `update outbox.parked_key set released_lsn = null where slot = $1 and ${isUncovered('released_lsn')}`,
);

/** @returns the keys that wait as of the progress */
export async function takeBackParking(client: pg.PoolClient, progress: Progress): Promise<TopicKey[]> {
  await query(client, takeBackParked, boundsOf(progress));
  return readParkedKeys(client, progress.slot);
}

const takeBackParked = statement(
  'ledger.take_back_parked_keys',
  'taking back parked keys',
  `delete from outbox.parked_key where slot = $1 and (released_lsn is not null or ${isBeyond})`,
);

/** A key may come more than once. */
export function readParkedKeys(client: pg.PoolClient, slot: string): Promise<TopicKey[]> {
  return query(client, readParked, [slot]);
}

const readParked = statement<TopicKey>(
  'ledger.read_parked_keys',
  'reading the parked keys',
  'select topic, key from outbox.parked_key where slot = $1',
);

/** @param endLsn the parameter that holds the progress's `endLsn`; `systemIdentifier` likewise */
export function isUncovered(lsn: string, endLsn = '$2', systemIdentifier = '$3'): string {
  return `system_identifier = ${systemIdentifier} and ${lsn} >= ${endLsn} and ${lsn} < pg_current_wal_insert_lsn()`;
}

export function boundsOf({
  slot,
  endLsn,
  partial,
  systemIdentifier,
}: Pick<Progress, 'slot' | 'endLsn' | 'partial' | 'systemIdentifier'>): unknown[] {
  return [
    slot,
    formatLsn(endLsn),
    partial === null ? null : formatLsn(partial.commitLsn),
    partial?.ordinal ?? null,
    systemIdentifier,
  ];
}
