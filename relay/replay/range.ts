/**
 * Which events a replay publishes: the range that a person asks for, and the facts that fix its set of rows at the start. A
 * replay that continues reads both from `outbox.replay`, so it finds the same rows, however long ago it began. Pure.
 */

export type Range = {
  /** ISO times, by the order's time: of the commit, or of the row. From is inclusive, until is not. */
  readonly from: string | null;
  readonly until: string | null;
  readonly keys: readonly string[] | null;
  readonly types: readonly string[] | null;
  readonly aggregatetypes: readonly string[] | null;
  readonly ids: readonly string[] | null;
  /** As in the header `position`: from inclusive, until exclusive; looked up in the topics. */
  readonly positions: { readonly from: string | null; readonly until: string | null } | null;
  /** Only events that were dead letters and were published since. */
  readonly isOfDeadLetters: boolean;
  /** Also events of which nobody can tell whether they were ever published. */
  readonly includesUnknown: boolean;
};

/**
 * By what the events are sorted, and their time in the range.
 * - `commit`: the time of the commit, which Postgres kept for every event.
 * - `writing`: what the row says. It equals the order of the commits for writers that hold the lock of an aggregate.
 */
export type Order = 'commit' | 'writing';

export type Facts = {
  readonly systemIdentifier: string;
  /** Clock of the database, ISO with µs. */
  readonly startedAt: string;
  /** As Postgres prints a pg_snapshot; see relay/ledger/snapshots.ts. Null if unknown. */
  readonly first: string | null;
  readonly streamed: string | null;
  readonly covered: string | null;
  /** What the progress covered: a release of a key beyond it may not be published. */
  readonly progressLsn: string;
  readonly order: Order;
  /** The least transaction number in the range. If it has no commit time any more, Postgres has forgotten it since. */
  readonly oldestXid: string;
  /** What the range lacked at the start; absent in replays that an earlier release began. */
  readonly absent?: Absent | null;
  /** Replays of events from before the first start, to the same topics, that began earlier: what is in them is done. */
  readonly excludes: readonly string[];
};

/** Events of a range that are not in the table. */
export type Absent = {
  readonly events: number;
  /** Or at most so many: what cleanup has removed, and some of it may not belong to the range. */
  readonly isExact: boolean;
  /** What cleanup removed says that it was written before this ISO time; null if the events are named. */
  readonly before: string | null;
};

const none: Range = {
  from: null,
  until: null,
  keys: null,
  types: null,
  aggregatetypes: null,
  ids: null,
  positions: null,
  isOfDeadLetters: false,
  includesUnknown: false,
};

export function rangeOf(parts: Partial<Range>): Range {
  return { ...none, ...parts };
}

/** Whether it names every event there is. */
export function isUnbounded(range: Range): boolean {
  const { from, until, keys, types, aggregatetypes, ids, positions, isOfDeadLetters } = range;
  return (
    [from, until, keys, types, aggregatetypes, ids, positions].every((part) => part === null) &&
    !isOfDeadLetters
  );
}
