/**
 * From a held session to one that may stream: the first progress and the mark at the first start, and everything that
 * earlier sessions decided put back to where the progress stands.
 */
import type pg from 'pg';
import { assertSamePublication } from '../capture/publication.ts';
import { type Begun, beginSession } from '../ledger/session.ts';
import { readStandbyNames, standbyHint } from '../ledger/standbys.ts';
import type { Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { RelayObserver } from '../observe/observer.ts';
import { progressAt } from './database-state.ts';
import type { Held } from './steps.ts';
import type { RelaySlot } from './take-slot.ts';

/** Where the stream begins. */
export type Beginning = Begun & {
  readonly progress: Progress;
  /** Where the slot starts. */
  readonly slotLsn: Lsn;
};

type BeginMeans = {
  readonly slot: string;
  readonly instance: string;
  readonly pool: pg.Pool;
  readonly observer: RelayObserver;
};

/**
 * The first progress is committed before the mark is set. So a mark without a progress means that the progress was lost,
 * and a crash between the two costs nothing.
 * @throws RelayError LINEAGE_*, PROGRESS_UNREADABLE, RECOVERY_UNFINISHED, PUBLICATION_GAP where going on could lose or
 * double events; SLOT_IN_USE if another relay took over
 */
export async function begin(
  { slot: name, instance, pool, observer }: BeginMeans,
  { slot, publisher, database, lineage }: Held<RelaySlot>,
): Promise<Beginning> {
  const { capture, publication, lastSession, made } = slot;
  let progress: Progress;
  switch (lineage.kind) {
    case 'first-start':
      progress = progressAt(name, database, instance);
      break;
    case 'same':
    case 'promoted':
      progress = lineage.progress;
      break;
    default:
      throw lineage.refusal;
  }
  assertSamePublication(database.publication, publication);
  await failpoint('LINEAGE_CHECKED');
  if (lineage.kind === 'first-start') await publisher.commit(publisher.newBatch(), progress);
  await failpoint('FIRST_PROGRESS_COMMITTED');
  // A slot that somebody else made in the place of ours starts elsewhere.
  const isAsMade = !database.initialised && made?.lsn === database.slotConfirmedLsn;
  const firstSnapshot = isAsMade ? made.snapshot : undefined;
  const { walSenderPid, serverStart } = capture;
  const hold = { walSenderPid, serverStart, lastSession, firstSnapshot };
  const begun = await beginSession(pool, progress, publication, hold);
  if (begun.reread > 0) observer.deadLettersReread?.({ deadLetters: begun.reread });
  const { setting, includesRelay } = await readStandbyNames(pool);
  if (includesRelay) observer.standbyCounted?.({ synchronousStandbyNames: setting, hint: standbyHint });
  await failpoint('DEAD_LETTERS_REREAD');
  await failpoint('SLOT_MARKED');
  return { progress, slotLsn: database.slotConfirmedLsn, ...begun };
}
