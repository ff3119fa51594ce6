/**
 * What a dead letter says about rows of its event that have no record, for `verify` and the standing audit alike. Pure.
 * Promise: a dead letter accounts for the row that was refused, and for no other. Not for what was written in its place, and
 * not for a row of this database that has the id of an event of another one, as numbers have after a dump and restore.
 */
import type { Lsn } from '../model/position.ts';

/**
 * - `refused`: its event is nowhere else
 * - `resubmitted`: the snapshot has what was written in its place, which is to be published
 * - `released`: its event is to be published
 * - `under way`: resubmitted or released since the snapshot, so its event may not be in Kafka yet
 */
export type LetterMeaning = 'refused' | 'resubmitted' | 'released' | 'under way';

export type LetterFacts = {
  /** As in `outbox.dead_letter`. */
  readonly status: string;
  /** Where the release published it, in the WAL of this cluster; 0 for one of another cluster, or of none. */
  readonly releasedLsn: Lsn;
  /** Whether it got its status after the snapshot, as far as it is resubmitted. */
  readonly isSinceSnapshot: boolean;
};

export function meaningOf(
  { status, releasedLsn, isSinceSnapshot }: LetterFacts,
  snapshotLsn: Lsn,
): LetterMeaning {
  if (status === 'released') return releasedLsn < snapshotLsn ? 'released' : 'under way';
  if (status === 'resubmitted') return isSinceSnapshot ? 'under way' : 'resubmitted';
  return 'refused';
}

/**
 * Rows of one id that resubmitted dead letters may account for. One row is to be published, whether the refused one is left
 * or not.
 */
export const refusedOf = (rows: number): number => Math.max(0, rows - 1);

/**
 * @param isOwn whether the dead letter is of this cluster
 * @param isRowOfHere whether the row is known to be written in this database since a relay streams it: the relay would have
 *   refused it here
 */
export const isOfRow = (isOwn: boolean, isRowOfHere: boolean): boolean => isOwn || !isRowOfHere;
