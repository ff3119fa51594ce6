/** What is wrong with slot, progress and publication, found without changing anything. */
import { latestProgress } from '../audit/await-progress.ts';
import { findPublicationGap, readPublication } from '../capture/publication.ts';
import { readSystem } from '../capture/server-identity.ts';
import { readSlot, type SlotState } from '../capture/slot.ts';
import type { Servers } from '../connect/servers.ts';
import { asRelayError, RelayError, RequestInvalid } from '../errors.ts';
import { readMarks } from '../ledger/progress-copy.ts';
import { readSnapshots, type Snapshots } from '../ledger/snapshots.ts';
import { parseSnapshot } from '../model/pg-snapshot.ts';
import type { Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { compareLineage, type DatabaseState } from '../session/lineage.ts';
import type { Known } from './gap.ts';
import type { RecoverOptions } from './options.ts';

export type Loss = {
  /** Each thing that is wrong, for the report. */
  readonly found: readonly RelayError[];
  /** Set if the publication is not the one that the slot has streamed through. */
  readonly publicationGap: RelayError | undefined;
  /** The progress in Kafka now. */
  readonly progress: Progress | null;
  /** Identity of the publication now. */
  readonly publication: string;
  /** The slot, if it can be used. */
  readonly slot: SlotState | undefined;
  /** WAL position at that time. */
  readonly walLsn: Lsn;
  /** Number of the last session that had begun on the slot by then. */
  readonly lastSession: number;
  readonly snapshots: Snapshots;
};

/** @throws RelayError SLOT_IN_USE while somebody streams from the slot; PUBLICATION_MISSING; POSTGRES_*, KAFKA_* */
export async function lookForLoss(means: Servers): Promise<Loss> {
  const { config, pool } = means;
  const system = await readSystem(config);
  const marks = await readMarks(pool, config.slot.name);
  if (marks.isInRecovery)
    throw new RelayError('POSTGRES_UNAVAILABLE', 'the server is a standby that is not promoted yet');
  const publication = await readPublication(pool, config);
  const progress = await latestProgress(means, system.systemIdentifier);
  const { slot, failure } = await lookAtSlot(means, marks.initialised || progress !== null);
  const database: DatabaseState = { ...system, ...marks, slotConfirmedLsn: slot?.confirmedLsn ?? 0n };
  const claimed = progress === null ? ({ kind: 'none' } as const) : ({ kind: 'progress', progress } as const);
  const lineage = compareLineage(claimed, database);
  const publicationGap = findPublicationGap(marks.publication, publication);
  const refusal = 'refusal' in lineage ? lineage.refusal : undefined;
  const found = [failure, refusal, publicationGap].filter((each) => each !== undefined);
  const { systemIdentifier } = system;
  const snapshots = await readSnapshots(pool, { slot: config.slot.name, systemIdentifier });
  const { walLsn, session: lastSession } = marks;
  return { found, publicationGap, progress, publication, slot, walLsn, lastSession, snapshots };
}

/**
 * The snapshots, as far as they can be trusted. `covered` counts only if Kafka still knows the heartbeat with which it was
 * taken, and if the publication covered the outbox all the time: otherwise something may count as published that is not.
 */
export function knownOf({ publicationGap, progress, snapshots }: Loss): Known {
  const { first, streamed, covered, coveredBeat } = snapshots;
  const isContradicted =
    progress === null || coveredBeat === null || progress.beat < coveredBeat || publicationGap !== undefined;
  return {
    first: first === null ? undefined : parseSnapshot(first),
    streamed: streamed === null ? undefined : parseSnapshot(streamed),
    covered: covered === null || isContradicted ? undefined : parseSnapshot(covered),
  };
}

/**
 * @throws RequestInvalid if nothing is wrong; RelayError LINEAGE_OTHER_DATABASE always, and LINEAGE_REWOUND unless it is
 * accepted: this database cannot tell what was published.
 */
export function assertRecoverable(
  { found }: Loss,
  options: Pick<RecoverOptions, 'isForced' | 'acceptsRewound' | 'skipsUnreadable' | 'isUnattended'>,
): void {
  for (const failure of found) if (!isRecoverable(failure, options)) throw failure;
  // Another history, or a row that cannot be read, may show only on the stream: the option itself is reason enough.
  const { isForced, acceptsRewound, skipsUnreadable } = options;
  if (found.length === 0 && !isForced && !acceptsRewound && !skipsUnreadable)
    throw new RequestInvalid(
      'nothing is lost: slot, progress and publication belong together. To skip a row that stops the relay with ROW_UNREADABLE, add --skip-unreadable. To compare the table with Kafka anyway, add --force',
    );
}

/** Whether a recovery puts right what makes a relay refuse to start. */
export function isRecoverable(
  { entry }: RelayError,
  { acceptsRewound, isUnattended }: Pick<RecoverOptions, 'acceptsRewound' | 'isUnattended'>,
): boolean {
  // Of anything else a person has to see first what would be published: of a progress that is lost, perhaps everything.
  if (isUnattended) return entry.losesSlot === true;
  return entry.recover === 'always' || (entry.recover === '--accept-rewound' && acceptsRewound);
}

async function lookAtSlot(
  { config, pool }: Servers,
  wasUsed: boolean,
): Promise<{ slot?: SlotState; failure?: RelayError }> {
  try {
    const slot = await readSlot(pool, config.slot.name);
    if (slot?.isActive === true)
      throw new RelayError(
        'SLOT_IN_USE',
        `a relay streams from slot ${config.slot.name} (walsender ${slot.activePid}); stop it first`,
      );
    if (slot !== undefined) return { slot };
    if (wasUsed)
      return { failure: new RelayError('SLOT_MISSING', `slot ${config.slot.name} does not exist`) };
    return {};
  } catch (error) {
    const failure = asRelayError(error);
    if (failure.code !== 'SLOT_INVALIDATED') throw failure;
    return { failure };
  }
}
