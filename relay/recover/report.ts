/** What a recovery found and did, and what a person must decide first, as data. */
import type { ErrorCode } from '../errors.ts';
import { counted } from '../model/counted.ts';
import type { Progress } from '../model/progress.ts';
import type { Compared } from './compare.ts';
import type { Reason } from './gap.ts';
import { knownOf, type Loss } from './loss.ts';
import type { RecoverOptions } from './options.ts';
import type { Gap } from './read-gap.ts';
import type { Some } from './some-events.ts';

export type { Some } from './some-events.ts';

export type Recovery = {
  readonly found: readonly { readonly code: ErrorCode; readonly message: string }[];
  readonly outcome: 'dry-run' | 'refused' | 'recovered';
  /** What a person must decide first, with the option that decides it. */
  readonly doubts: readonly string[];
  readonly before: Progress | null;
  readonly after: Progress | null;
  /** Where the new slot starts, or where the stream of an old one goes on; null in a dry run. */
  readonly slotLsn: string | null;
  /** Whether the existing slot can be used, and stays. */
  readonly keepsSlot: boolean;
  readonly events: number;
  readonly records: number;
  readonly missing: Some;
  /** The missing events whose rows Postgres cannot convert to text. */
  readonly unreadable: Some;
  /** What orders the missing events of a key: their commits, or the writing of their rows. */
  readonly order: 'commit' | 'writing' | 'none';
  /** Number of keys for which that order is uncertain. */
  readonly uncertainKeys: number;
  readonly unjudged: Some;
  readonly expired: Some;
  readonly beforeFirstStart: Some;
  readonly withoutId: number;
  readonly repeated: number;
  /** Dead letters that a relay closed to read their events again, and died; the table no longer has the events. */
  readonly reopened: number;
  /** The time of rows that may have been deleted and never published; null if the table reaches back far enough. */
  readonly notCovered: { readonly from: string | null; readonly until: string } | null;
  readonly published: number;
  readonly deadLettered: number;
};

/** Completes `3 events …`: why nobody can tell whether these were published. */
const reasons: Readonly<Record<Reason, string>> = {
  'unknown-start':
    'were committed when the relay kept no record of it: either before its first start, and then must not be published, or later; or a person gave up what was unpublished then, with `adopt` or `--unjudged skip`',
  contradiction:
    'count as published or dead-lettered, but a topic from which nothing was removed does not have them: was the topic recreated, or did a person discard the events',
  removed: 'either were published and have been removed from Kafka since, or were never published',
};

/** What a person must decide first. */
export function doubtsOf(
  { gap, missing, reasons: unjudgedBy }: Compared,
  { acceptsWritingOrder, skipsUnreadable, unjudged }: RecoverOptions,
): string[] {
  const doubts: string[] = [];
  const { uncertainKeys, unreadable, unreadableWhy } = missing;
  if (uncertainKeys > 0 && !acceptsWritingOrder)
    doubts.push(
      `${counted(uncertainKeys, 'key')} ${uncertainKeys === 1 ? 'has' : 'have'} missing events of several transactions, and Postgres did not keep the commit times (track_commit_timestamp is ${gap.hasCommitTimes ? 'on now, but was off then' : 'off'}): --by-writing-order publishes them in the order in which the rows were written, which is the order of the commits if writers lock the aggregate`,
    );
  if (unreadableWhy !== undefined && !skipsUnreadable) {
    const others = unreadable.count - 1;
    doubts.push(
      `ROW_UNREADABLE: event ${unreadable.ids[0]}${others === 0 ? '' : ` and ${counted(others, 'other')}`}: ${unreadableWhy}: --skip-unreadable makes a dead letter of each such row and publishes the rest`,
    );
  }
  if (unjudged === 'refuse')
    for (const [reason, count] of Object.entries(unjudgedBy) as [Reason, number][])
      if (count > 0)
        doubts.push(`${counted(count, 'event')} ${reasons[reason]}: --unjudged publish or --unjudged skip`);
  return doubts;
}

/** @param done what differs from a comparison that changed nothing */
export function reportOf(
  compared: Compared,
  loss: Loss,
  options: RecoverOptions,
  done: Pick<Recovery, 'outcome'> & Partial<Recovery>,
): Recovery {
  const { gap, records, repeated, unjudged } = compared;
  const { unreadable, isTimed, uncertainKeys, ...missing } = compared.missing;
  return {
    found: loss.found.map(({ code, message }) => ({ code, message })),
    doubts: doubtsOf(compared, options),
    before: loss.progress,
    after: null,
    slotLsn: null,
    keepsSlot: loss.slot !== undefined,
    events: gap.events,
    records,
    missing: someOf(missing),
    unreadable,
    order: missing.count < 2 ? 'none' : isTimed ? 'commit' : 'writing',
    uncertainKeys,
    unjudged,
    expired: gap.expired,
    beforeFirstStart: gap.before,
    withoutId: gap.withoutId,
    repeated,
    reopened: gap.unread.length,
    notCovered: notCovered(gap, loss),
    published: 0,
    deadLettered: 0,
    ...done,
  };
}

const someOf = ({ count, ids, from, until }: Some): Some => ({ count, ids, from, until });

/**
 * Rows that were deleted from the table, and were committed after what is known to be published, may be lost. The time at
 * which the last progress was written does not count: a relay that lags writes one too.
 */
function notCovered({ reachesBack, oldestMs, atMs }: Gap, loss: Loss): Recovery['notCovered'] {
  if (reachesBack) return null;
  const fromMs =
    (knownOf(loss).covered === undefined ? null : loss.snapshots.coveredMs) ??
    loss.progress?.last?.committedAtMs;
  return { from: fromMs === undefined ? null : iso(fromMs), until: iso(oldestMs ?? atMs) };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
