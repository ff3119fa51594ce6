/** Reads from the database what `compareLineage` compares with the progress. */
import type pg from 'pg';
import type { Capture } from '../capture/capture.ts';
import { readSlot } from '../capture/slot.ts';
import { RelayError } from '../errors.ts';
import { readMarks } from '../ledger/bookkeeping.ts';
import { type Progress, parseProgress } from '../model/progress.ts';
import type { ProgressTail } from '../publish/progress-topic.ts';
import { compareSystem, type DatabaseState } from './lineage.ts';

/**
 * To be called when `capture` has taken the slot and every predecessor is fenced: only then does nothing of it change
 * meanwhile. A relay that was paused and succeeded before it came to this would compare its successor's slot with the
 * progress it once read, and stop for good; so whose the slot is, is read together with its position. A slot that nobody
 * has, since our stream has failed, is as we left it while no other session has begun: only a session acknowledges.
 * @param lastSession number of the last session that had begun when the slot was taken; left out where it must be ours
 * @throws RelayError SLOT_IN_USE when it is not ours any more; SLOT_MISSING, SLOT_INVALIDATED, POSTGRES_*
 */
export async function readDatabaseState(
  pool: pg.Pool,
  slot: string,
  capture: Pick<Capture, 'system' | 'walSenderPid'>,
  lastSession?: number,
): Promise<DatabaseState> {
  // In this order: a session that began before the slot was read shows in the marks.
  const state = await readSlot(pool, slot);
  const marks = await readMarks(pool, slot);
  if (state === undefined) throw new RelayError('SLOT_MISSING', `slot ${slot} vanished while it was held`);
  // Another relay may take the slot between the two readings, and what it does counts once its session has begun.
  const isUndisturbed = lastSession === undefined || marks.session === lastSession;
  const isOurs = state.activePid === capture.walSenderPid && isUndisturbed;
  const isAsWeLeftIt = state.activePid === null && marks.session === lastSession;
  if (!isOurs && !isAsWeLeftIt) throw new RelayError('SLOT_IN_USE', `slot ${slot} was taken over meanwhile`);
  const { systemIdentifier, timeline, history } = capture.system;
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

/** So long a start waits for the progress topic before it fences; reading 30 MiB takes half a second. */
const progressReadMs = 2_000;

/**
 * Stops a relay of another database before it fences the one whose progress the topic holds. It sees what the topic
 * shows, which proves nothing where that is none: the claim is compared all the same.
 * @throws RelayError LINEAGE_OTHER_DATABASE
 */
export async function assertOwnProgress(tail: ProgressTail, systemIdentifier: string): Promise<void> {
  await tail.read(progressReadMs);
  if (tail.latest === undefined) return;
  let progress: Progress;
  try {
    progress = parseProgress(tail.latest);
  } catch {
    return;
  }
  const lineage = compareSystem(progress, systemIdentifier);
  if (lineage !== undefined) throw lineage.refusal;
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
