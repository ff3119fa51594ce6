/**
 * Lineage: whether the database is still the one that the progress speaks of. Positions are numbers, and the numbers of
 * another database look just like ours. Going on with the wrong one loses or doubles events, so every verdict but
 * `first-start`, `same` and `promoted` is a refusal.
 *
 * Pure: no sockets, and tests need none. The verdicts are those of the table under "Lineage" in `docs/`.
 */
import { type ErrorCode, RelayError } from '../errors.ts';
import { counted } from '../model/counted.ts';
import { formatLsn, type Lsn } from '../model/position.ts';
import { isOfRecovery, type Progress } from '../model/progress.ts';

/** What the claim found in Kafka: the last progress before it. */
export type Claimed =
  | { readonly kind: 'none' }
  | { readonly kind: 'progress'; readonly progress: Progress }
  /** A newer release wrote it, or it is damaged. */
  | { readonly kind: 'unreadable'; readonly failure: RelayError };

/** The database as a session sees it, once it has the slot and has fenced every predecessor. */
export type DatabaseState = {
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** Where each earlier timeline ended, from TIMELINE_HISTORY. */
  readonly history: readonly { readonly timeline: number; readonly switchLsn: Lsn }[];
  /** WAL position now. */
  readonly walLsn: Lsn;
  readonly slotConfirmedLsn: Lsn;
  /** Whether the database remembers that a relay published from this slot. */
  readonly initialised: boolean;
  /** Number of the last heartbeat in the database; 0 for none. */
  readonly beat: number;
  /** Identity of the publication that the slot has streamed through; null before it did. */
  readonly publication: string | null;
};

/** The verdict, with what is known in each case. */
export type Lineage =
  /** Nothing was ever published from this slot. */
  | { readonly kind: 'first-start' }
  /** The progress is of this database: on its timeline, or on one that it left behind everything published. */
  | { readonly kind: 'same' | 'promoted'; readonly progress: Progress }
  | LineageRefusal;

export type LineageRefusal =
  | { readonly kind: 'progress-lost' | 'progress-unreadable'; readonly refusal: RelayError }
  | {
      readonly kind:
        | 'other-database'
        | 'rewound'
        | 'adoption-unfinished'
        | 'recovery-unfinished'
        | 'slot-ahead';
      readonly refusal: RelayError;
      readonly progress: Progress;
    };

/** The error with which a relay stops, by verdict. */
export const refusalCodes = {
  'progress-lost': 'LINEAGE_PROGRESS_LOST',
  'progress-unreadable': 'PROGRESS_UNREADABLE',
  'other-database': 'LINEAGE_OTHER_DATABASE',
  rewound: 'LINEAGE_REWOUND',
  'adoption-unfinished': 'ADOPTION_UNFINISHED',
  'recovery-unfinished': 'RECOVERY_UNFINISHED',
  'slot-ahead': 'LINEAGE_SLOT_AHEAD',
} as const satisfies Record<LineageRefusal['kind'], ErrorCode>;

/** The checks stand in order of doubt: what is compared later means something only if the earlier ones passed. */
export function compareLineage(claimed: Claimed, database: DatabaseState): Lineage {
  switch (claimed.kind) {
    case 'unreadable':
      return { kind: 'progress-unreadable', refusal: claimed.failure };
    case 'none':
      return withoutProgress(database);
    case 'progress':
      return withProgress(claimed.progress, database);
  }
}

/** Heartbeats are written after the mark: if somebody removed the mark, they still show that a relay published. */
function withoutProgress({ initialised, beat }: DatabaseState): Lineage {
  if (!initialised && beat === 0) return { kind: 'first-start' };
  const message = 'this slot has published before, but its progress is gone from Kafka';
  return { kind: 'progress-lost', refusal: new RelayError(refusalCodes['progress-lost'], message) };
}

function withProgress(progress: Progress, database: DatabaseState): Lineage {
  const otherDatabase = compareSystem(progress, database.systemIdentifier);
  if (otherDatabase !== undefined) return otherDatabase;
  const reach = reachOf(progress.timeline, database);
  const published = greatestPublished(progress);
  if (reach < published)
    return refused(
      'rewound',
      progress,
      `published up to ${formatLsn(published)} on timeline ${progress.timeline}, but the history of this database leaves it at ${formatLsn(reach)}`,
      { timeline: database.timeline },
    );
  if (database.beat < progress.beat)
    return refused(
      'rewound',
      progress,
      `heartbeat ${progress.beat} was published, but the database holds only ${database.beat}: it was restored from an earlier state`,
    );
  if (progress.adopting !== undefined)
    return refused(
      'adoption-unfinished',
      progress,
      `adopt debezium took over from slot ${progress.adopting} and did not finish: events of that slot may be unpublished`,
    );
  if (isOfRecovery(progress.partial) && database.slotConfirmedLsn <= progress.partial.commitLsn)
    return refused(
      'recovery-unfinished',
      progress,
      `recover published ${counted(progress.partial.ordinal, 'event')} and did not finish; the slot would bring them again`,
    );
  if (database.slotConfirmedLsn > progress.endLsn)
    return refused(
      'slot-ahead',
      progress,
      `published up to ${formatLsn(progress.endLsn)}, but the slot starts at ${formatLsn(database.slotConfirmedLsn)}`,
    );
  return { kind: progress.timeline === database.timeline ? 'same' : 'promoted', progress };
}

/** The one comparison that needs no fence: the system identifier of a cluster never changes. */
export function compareSystem(progress: Progress, systemIdentifier: string): LineageRefusal | undefined {
  if (progress.systemIdentifier === systemIdentifier) return undefined;
  return refused('other-database', progress, 'the progress belongs to another Postgres cluster', {
    expected: progress.systemIdentifier,
    found: systemIdentifier,
  });
}

/** The progress that the verdict is about; null where Kafka has none that can be read. */
export function progressOf(lineage: Lineage): Progress | null {
  return 'progress' in lineage ? lineage.progress : null;
}

function refused(
  kind: (LineageRefusal & { readonly progress: Progress })['kind'],
  progress: Progress,
  message: string,
  context: RelayError['context'] = {},
): LineageRefusal {
  return { kind, progress, refusal: new RelayError(refusalCodes[kind], message, { context }) };
}

/** Up to which LSN the database's past agrees with `timeline`; 0 if it never was on it. */
function reachOf(timeline: number, database: DatabaseState): Lsn {
  if (timeline === database.timeline) return database.walLsn;
  return database.history.find((entry) => entry.timeline === timeline)?.switchLsn ?? 0n;
}

/** The least LSN that a history must reach to hold what is published. A part reaches past the start of its commit. */
function greatestPublished(progress: Progress): Lsn {
  return progress.partial === null ? progress.endLsn : progress.partial.commitLsn + 1n;
}
