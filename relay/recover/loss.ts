/** What is wrong with slot, progress and publication, found without changing anything. */
import type { Admin, Kafka } from 'kafkajs';
import type pg from 'pg';
import { awaitProgress } from '../audit/await-progress.ts';
import { assertSamePublication, readPublication } from '../capture/publication.ts';
import { readSlot, type SlotState } from '../capture/slot.ts';
import { readSystem } from '../capture/system.ts';
import type { Config } from '../config/config.ts';
import { asRelayError, type ErrorCode, RelayError } from '../errors.ts';
import { readMarks } from '../ledger/bookkeeping.ts';
import { readSnapshots, type Snapshots } from '../ledger/snapshots.ts';
import type { Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { checkLineage, type DatabaseState } from '../session/lineage.ts';
import type { Known } from './gap.ts';
import { parseSnapshot } from './snapshot.ts';

export type Loss = {
  readonly found: readonly RelayError[];
  /** As Kafka has it now. */
  readonly progress: Progress | null;
  /** Identity of the publication now. */
  readonly publication: string;
  /** The slot as it is, where it can be used. */
  readonly slot: SlotState | undefined;
  /** WAL position when that was looked at. */
  readonly walLsn: Lsn;
  readonly snapshots: Snapshots;
};

export type Places = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly kafka: Kafka;
  readonly admin: Admin;
};

/** @throws RelayError SLOT_IN_USE while somebody streams from the slot; PUBLICATION_MISSING; POSTGRES_*, KAFKA_* */
export async function lookForLoss(places: Places): Promise<Loss> {
  const { config, pool } = places;
  const system = await readSystem(config);
  const marks = await readMarks(pool, config.slot);
  if (marks.isInRecovery)
    throw new RelayError('POSTGRES_UNAVAILABLE', 'the server is a standby that was not promoted yet');
  const publication = await readPublication(pool, config);
  const progress = await readProgress(places, system.systemIdentifier);
  const { slot, failure } = await lookAtSlot(places, marks.initialised || progress !== null);
  const database: DatabaseState = { ...system, ...marks, slotConfirmedLsn: slot?.confirmedLsn ?? 0n };
  const found = [
    failure,
    failureOf(() => checkLineage(progress, database)),
    failureOf(() => assertSamePublication(marks.publication, publication)),
  ].filter((each) => each !== undefined);
  const { systemIdentifier } = system;
  const snapshots = await readSnapshots(pool, { slot: config.slot, systemIdentifier });
  return { found, progress, publication, slot, walLsn: marks.walLsn, snapshots };
}

/** What was found that shows that not all which counts as published is, or that Kafka has lost some of it. */
const contradicting: ReadonlySet<ErrorCode> = new Set(['PUBLICATION_GAP', 'LINEAGE_PROGRESS_LOST']);

/** As far as it can be trusted: Kafka must still know of the heartbeat with which `covered` was taken. */
export function knownOf({ found, progress, snapshots }: Loss): Known {
  const { first, streamed, covered, coveredBeat } = snapshots;
  const isContradicted =
    progress === null ||
    coveredBeat === null ||
    progress.beat < coveredBeat ||
    found.some(({ code }) => contradicting.has(code));
  return {
    first: first === null ? undefined : parseSnapshot(first),
    streamed: streamed === null ? undefined : parseSnapshot(streamed),
    covered: covered === null || isContradicted ? undefined : parseSnapshot(covered),
  };
}

/**
 * @throws RelayError CONFIG_INVALID when there is nothing to recover from; LINEAGE_OTHER_DATABASE always, and
 * LINEAGE_REWOUND unless it is accepted: this database cannot answer what Kafka holds.
 */
export function assertRecoverable(
  { found }: Loss,
  {
    isForced,
    acceptsRewound,
    skipsUnreadable,
  }: { readonly isForced: boolean; readonly acceptsRewound: boolean; readonly skipsUnreadable: boolean },
): void {
  for (const failure of found) if (!isRecoverable(failure, acceptsRewound)) throw failure;
  // That the history is another one, or that a row cannot be read, may show only on the stream, so it is taken at its word.
  if (found.length === 0 && !isForced && !acceptsRewound && !skipsUnreadable)
    throw new RelayError(
      'CONFIG_INVALID',
      'recover: nothing is lost: slot, progress and publication belong together; --skip-unreadable passes over a row that stops the relay with ROW_UNREADABLE, --force compares the table with Kafka all the same',
    );
}

function isRecoverable({ entry }: RelayError, acceptsRewound: boolean): boolean {
  return entry.recover === 'always' || (entry.recover === '--accept-rewound' && acceptsRewound);
}

async function lookAtSlot(
  { config, pool }: Places,
  wasUsed: boolean,
): Promise<{ slot?: SlotState; failure?: RelayError }> {
  try {
    const slot = await readSlot(pool, config.slot);
    if (slot?.isActive === true)
      throw new RelayError(
        'SLOT_IN_USE',
        `a relay streams from slot ${config.slot} (walsender ${slot.activePid}); stop it first`,
      );
    if (slot !== undefined) return { slot };
    if (wasUsed) return { failure: new RelayError('SLOT_MISSING', `slot ${config.slot} does not exist`) };
    return {};
  } catch (error) {
    const failure = asRelayError(error);
    if (failure.code !== 'SLOT_INVALIDATED') throw failure;
    return { failure };
  }
}

async function readProgress(
  { config, kafka, admin }: Places,
  systemIdentifier: string,
): Promise<Progress | null> {
  const { progressTopic, transactionTimeoutMs } = config.kafka;
  return awaitProgress({
    kafka,
    admin,
    topic: progressTopic,
    slot: config.slot,
    systemIdentifier,
    // No progress gets there, so the topic is read to its present end.
    reach: BigInt(Number.MAX_SAFE_INTEGER) << 10n,
    waitMs: 0,
    stallMs: transactionTimeoutMs,
  });
}

function failureOf(check: () => unknown): RelayError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return asRelayError(error);
  }
}
