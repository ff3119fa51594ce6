/**
 * Whether the database is still the one that the progress speaks of. Positions are numbers, and the numbers of another
 * database look just like ours. Pure: it knows nothing of sockets, and is tested without any.
 */
import { RelayError } from '../errors.ts';
import { formatLsn, type Lsn } from '../model/position.ts';
import { isOfRecovery, type Progress } from '../model/progress.ts';

/** What the relay can see of the database when it has claimed the slot. */
export type DatabaseState = {
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** Where each earlier timeline ended, as TIMELINE_HISTORY tells. */
  readonly history: readonly { readonly timeline: number; readonly switchLsn: Lsn }[];
  /** WAL position now. */
  readonly walLsn: Lsn;
  readonly slotConfirmedLsn: Lsn;
  /** Whether a relay ever published from this slot, as the database remembers it. */
  readonly initialised: boolean;
  /** Number of the last heartbeat the database holds; 0 for none. */
  readonly beat: number;
};

/**
 * Compares the database with the progress.
 * @returns `first-start` when nothing was ever published, `resume` when the progress speaks of this database.
 * @throws RelayError LINEAGE_* when going on could lose or double events.
 */
export function checkLineage(progress: Progress | null, database: DatabaseState): 'first-start' | 'resume' {
  if (progress === null) {
    // Heartbeats come after the mark: where somebody has removed that, they still tell.
    if (!database.initialised && database.beat === 0) return 'first-start';
    throw new RelayError(
      'LINEAGE_PROGRESS_LOST',
      'this slot has published before, but its progress is gone from Kafka',
    );
  }
  assertSameCluster(progress, database.systemIdentifier);
  const reach = reachOf(progress.timeline, database);
  const published = greatestPublished(progress);
  if (reach < published)
    throw new RelayError(
      'LINEAGE_REWOUND',
      `published up to ${formatLsn(published)} on timeline ${progress.timeline}, but the history of this database leaves it at ${formatLsn(reach)}`,
      { context: { timeline: database.timeline } },
    );
  if (database.beat < progress.beat)
    throw new RelayError(
      'LINEAGE_REWOUND',
      `heartbeat ${progress.beat} was published, but the database holds only ${database.beat}: it was restored from an earlier state`,
    );
  if (isOfRecovery(progress.partial) && database.slotConfirmedLsn <= progress.partial.commitLsn)
    throw new RelayError(
      'RECOVERY_UNFINISHED',
      `recover was published in part and not ended: ${progress.partial.ordinal} events that the slot would bring again`,
    );
  if (database.slotConfirmedLsn > progress.endLsn)
    throw new RelayError(
      'LINEAGE_SLOT_AHEAD',
      `published up to ${formatLsn(progress.endLsn)}, but the slot starts at ${formatLsn(database.slotConfirmedLsn)}`,
    );
  return 'resume';
}

/** @throws RelayError LINEAGE_OTHER_DATABASE */
export function assertSameCluster(progress: Progress, systemIdentifier: string): void {
  if (progress.systemIdentifier !== systemIdentifier)
    throw new RelayError('LINEAGE_OTHER_DATABASE', 'the progress belongs to another Postgres cluster', {
      context: { expected: progress.systemIdentifier, found: systemIdentifier },
    });
}

/** Up to which LSN the database's past agrees with `timeline`; 0 where it never was on it. */
function reachOf(timeline: number, database: DatabaseState): Lsn {
  if (timeline === database.timeline) return database.walLsn;
  return database.history.find((entry) => entry.timeline === timeline)?.switchLsn ?? 0n;
}

/** The least LSN that a history must reach to hold what is published; of a partial one, past where its commit begins. */
function greatestPublished(progress: Progress): Lsn {
  return progress.partial === null ? progress.endLsn : progress.partial.commitLsn + 1n;
}
