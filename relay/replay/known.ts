/** What the relay has published, as far as the database and the progress in Kafka know. Changes nothing. */
import { latestProgress } from '../audit/await-progress.ts';
import { findPublicationGap, readPublication } from '../capture/publication.ts';
import { readSystem } from '../capture/server-identity.ts';
import type { Servers } from '../connect/servers.ts';
import { RelayError, RequestInvalid } from '../errors.ts';
import { readMarks } from '../ledger/progress-copy.ts';
import { readSnapshots, type Snapshots } from '../ledger/snapshots.ts';
import type { Lsn } from '../model/position.ts';
import { isOfRecovery, type Progress } from '../model/progress.ts';

export type KnownPublished = {
  readonly systemIdentifier: string;
  readonly progressLsn: Lsn;
  readonly snapshots: Pick<Snapshots, 'first' | 'streamed' | 'covered'>;
};

/**
 * @throws RequestInvalid if nothing is published; RelayError LINEAGE_OTHER_DATABASE, RECOVERY_UNFINISHED, PUBLICATION_GAP,
 * POSTGRES_*, KAFKA_*
 */
export async function readKnown(servers: Servers): Promise<KnownPublished> {
  const { config, pool } = servers;
  const slot = config.slot.name;
  const { systemIdentifier } = await readSystem(config);
  const marks = await readMarks(pool, slot);
  if (marks.isInRecovery)
    throw new RelayError('POSTGRES_UNAVAILABLE', 'the server is a standby that is not promoted yet');
  const progress = await latestProgress(servers, systemIdentifier);
  if (progress === null) {
    if (marks.initialised)
      throw new RelayError('LINEAGE_PROGRESS_LOST', 'the progress topic holds no progress of this slot');
    throw new RequestInvalid(`no relay has published from slot ${slot} yet: there is nothing to replay`);
  }
  assertOwn(progress, systemIdentifier);
  const gap = findPublicationGap(marks.publication, await readPublication(pool, config));
  if (gap !== undefined) throw gap;
  const { coveredBeat, covered, ...snapshots } = await readSnapshots(pool, { slot, systemIdentifier });
  const isCovered = coveredBeat !== null && progress.beat >= coveredBeat;
  return {
    systemIdentifier,
    progressLsn: progress.endLsn,
    snapshots: { first: snapshots.first, streamed: snapshots.streamed, covered: isCovered ? covered : null },
  };
}

function assertOwn(progress: Progress, systemIdentifier: string): void {
  if (progress.systemIdentifier !== systemIdentifier)
    throw new RelayError(
      'LINEAGE_OTHER_DATABASE',
      `the progress is of the cluster ${progress.systemIdentifier}, this one is ${systemIdentifier}`,
    );
  if (isOfRecovery(progress.partial))
    throw new RelayError(
      'RECOVERY_UNFINISHED',
      'a recovery has not ended, and it may not have published all',
    );
}
