/** Reads from the database what `compareLineage` compares with the progress. */
import type pg from 'pg';
import type { Capture } from '../capture/capture.ts';
import { readSlot, type SlotState } from '../capture/slot.ts';
import { assertSameServer } from '../connect/postgres/same-server.ts';
import { withPooled } from '../connect/postgres/transaction.ts';
import { RelayError } from '../errors.ts';
import { readMarks } from '../ledger/progress-copy.ts';
import type { Lsn } from '../model/position.ts';
import { type Progress, parseProgress } from '../model/progress.ts';
import type { ProgressTail } from '../publish/progress-topic.ts';
import { compareSystem, type DatabaseState } from './lineage.ts';

/**
 * Call it once `capture` has the slot and every predecessor is fenced: only then does nothing change while it reads.
 *
 * It reads who has the slot together with the position. Otherwise a relay that was paused, and whose successor has taken
 * over, would compare the successor's slot with the progress it once read itself, and stop for good. If nobody has the
 * slot because our stream failed, the slot is as we left it while no other session has begun: only a session acknowledges.
 * @param before what was read before the slot was taken; left out if the slot must be ours
 * All of it is read on one connection, which must lead to the server that streams: what another one says is no reason to
 * stop.
 * @throws RelayError POSTGRES_MOVED if it does not; SLOT_IN_USE if it is not ours any more; SLOT_MISSING, SLOT_INVALIDATED, POSTGRES_*
 */
export async function readDatabaseState(
  pool: pg.Pool,
  slot: string,
  capture: Pick<Capture, 'system' | 'walSenderPid' | 'serverStart'>,
  before?: BeforeTaking,
): Promise<DatabaseState> {
  const { state, marks } = await withPooled(pool, 'reading the state of the database', async (client) => {
    await assertSameServer(client, capture.serverStart);
    // In this order: a session that began before the slot was read shows in the marks.
    return { state: await readSlot(client, slot), marks: await readMarks(client, slot) };
  });
  if (state === undefined) throw new RelayError('SLOT_MISSING', `slot ${slot} was dropped while it was held`);
  const found = { activePid: state.activePid, session: marks.session };
  const taken = { walSenderPid: capture.walSenderPid, lastSession: before?.lastSession };
  if (!isStillOurs(found, taken)) throw new RelayError('SLOT_IN_USE', `another relay took over slot ${slot}`);
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
    slotConfirmedLsn: streamStart(state, before?.confirmedLsn),
  };
}

/** What was read before the slot was taken. */
export type BeforeTaking = {
  /** Number of the last session that had begun; 0 for none. */
  readonly lastSession: number;
  /** Where the slot started; undefined where that is not known. */
  readonly confirmedLsn: Lsn | undefined;
};

/**
 * Where our stream started: at the position of the slot, which nobody moves before the session begins. But Postgres writes
 * that position to disk at checkpoints only, so a crash that ends our stream may take it back. What the slot says then is
 * earlier than what our stream began with, and the transactions between the two never come on it.
 */
export function streamStart(
  { activePid, confirmedLsn }: Pick<SlotState, 'activePid' | 'confirmedLsn'>,
  beforeLsn: Lsn | undefined,
): Lsn {
  const isCrashPossible = activePid === null && beforeLsn !== undefined;
  return isCrashPossible && beforeLsn > confirmedLsn ? beforeLsn : confirmedLsn;
}

/**
 * Whether the slot is as we took it, or as we left it. Another relay may take it between the two reads; what it does
 * counts once its session has begun.
 * @param found who has the slot, and the number of the last session that has begun by then
 * @param taken our walsender, and the number of the last session that had begun before we took the slot
 */
export function isStillOurs(
  found: { readonly activePid: number | null; readonly session: number },
  taken: { readonly walSenderPid: number | undefined; readonly lastSession: number | undefined },
): boolean {
  const isUndisturbed = taken.lastSession === undefined || found.session === taken.lastSession;
  const isOurs = found.activePid === taken.walSenderPid && isUndisturbed;
  const isAsWeLeftIt = found.activePid === null && found.session === taken.lastSession;
  return isOurs || isAsWeLeftIt;
}

/** A start waits this long for the progress topic before it fences. Reading 30 MiB takes half a second. */
const progressReadMs = 2_000;

/**
 * Stops a relay of another database before it fences the relay whose progress is in the topic. It proves nothing if the
 * topic shows no progress; lineage is compared after the claim in any case.
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

/** A progress by which everything before the position of the slot counts as published, and nothing after it. */
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
