/** Reads from the database what `checkLineage` compares with the progress. */
import type pg from 'pg';
import type { SystemIdentity } from './capture/capture.ts';
import { readSlot } from './capture/slot.ts';
import { RelayError } from './errors.ts';
import type { DatabaseState, Progress } from './progress.ts';
import { readMarks } from './settle/bookkeeping.ts';

/**
 * To be called while the slot is held and every predecessor is fenced: only then does nothing of it change meanwhile.
 * @throws RelayError SLOT_MISSING, SLOT_INVALIDATED, POSTGRES_*
 */
export async function readDatabaseState(
  pool: pg.Pool,
  slot: string,
  system: SystemIdentity,
): Promise<DatabaseState & { readonly publication: string | null }> {
  const marks = await readMarks(pool, slot);
  const state = await readSlot(pool, slot);
  if (state === undefined) throw new RelayError('SLOT_MISSING', `slot ${slot} vanished while it was held`);
  const { systemIdentifier, timeline, history } = system;
  const { walLsn, initialised, beat, publication } = marks;
  return {
    systemIdentifier,
    timeline,
    history,
    walLsn,
    initialised,
    beat,
    publication,
    slotConfirmedLsn: state.confirmedLsn,
  };
}

/** The progress that says: everything before the slot's position counts as published, and nothing after. */
export function progressAt(
  slot: string,
  database: DatabaseState,
  instance: string,
  eventCount = 0,
): Progress {
  return {
    slot,
    systemIdentifier: database.systemIdentifier,
    timeline: database.timeline,
    endLsn: database.slotConfirmedLsn,
    partial: null,
    beat: database.beat,
    eventCount,
    instance,
    time: new Date().toISOString(),
  };
}
