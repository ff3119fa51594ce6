/**
 * Which events of the outbox table were never published, and in what order they are to be. Pure.
 *
 * The promise rests on the snapshot: the table is read as of exactly the position at which the new slot begins, so that an
 * event is either here or on the stream, and never both. And on the ids: what is in Kafka, or a dead letter, is never
 * published again, however often this is repeated.
 *
 * What cannot be known is said, not guessed. Where Kafka has removed the beginning of a topic, an absent event may have
 * been published and removed: `judge`. And a table does not keep the order of commits: `order`.
 *
 * What decides is when the transaction of a row was committed, by snapshots that the relay keeps in the database
 * (relay/ledger/snapshots.ts). Not by `created_at`, which the application fills: a business date, a time without zone, the
 * clock of another machine. Nor by the times of records in Kafka: topics are shared with other services, and an event that
 * was released or recovered late stands behind younger ones. Nor by when the last progress was written: a relay that lags
 * writes one now and publishes what was committed hours ago.
 */
import { type Snapshot, visibility } from './snapshot.ts';

/** A row of the snapshot whose id is in no topic and no dead letter. */
export type AbsentEvent = {
  readonly id: string;
  /** Where the row is: the object id of its table, and its ctid. */
  readonly relation: string;
  readonly place: string;
  /** Of the (sub)transaction that wrote it. */
  readonly xid: string;
  /** The same with its epoch. */
  readonly wholeXid: bigint;
  /** How many transactions began after that one. */
  readonly xidAge: number;
  /** Number of the statement within the transaction. */
  readonly command: number;
  /** Microseconds since 1970; null where track_commit_timestamp is off, or was then. */
  readonly committedUs: bigint | null;
  /** Microseconds since 1970; null where the table has no such column. */
  readonly createdUs: bigint | null;
  /** undefined where the event routes to no allowed topic. */
  readonly topic: string | undefined;
  readonly key: string | null;
};

/** What the relay has kept of when events were committed; undefined where it is not known. */
export type Known = {
  /** What is visible was committed before the slot was first made. */
  readonly first: Snapshot | undefined;
  /** What is not visible came on the stream, or would have. */
  readonly streamed: Snapshot | undefined;
  /** What is visible here, and not in `streamed`, was published or set aside. */
  readonly covered: Snapshot | undefined;
};

/**
 * What of a topic can be seen.
 * - `whole`: Kafka has removed nothing of it.
 * - `since-covered`: its beginnings were removed, but of each partition something is left that was published before the
 *   snapshot `covered` was taken; so everything that was published later is left too. Or it is compacted, and has no record
 *   of the event's key, not even a tombstone, while it keeps those for longer than since that snapshot.
 * - `part`: records are gone that may have been any.
 */
export type Sight = 'whole' | 'since-covered' | 'part';

/**
 * - `missing`: was never published.
 * - `before`: was committed before the relay first began, so it was never to be streamed.
 * - `expired`: was published and is removed from Kafka since.
 * - `unjudged`: for one of the reasons.
 */
export type Judgement = 'missing' | 'before' | 'expired' | 'unjudged';

/** Why a person has to judge. */
export type Reason =
  /** Whether it came on the stream is not known: the relay kept no snapshot then, or somebody gave it up. */
  | 'unknown-start'
  /** It counts as published, and a topic of which nothing was removed does not have it. */
  | 'contradiction'
  /** It was published and removed, or never published. */
  | 'removed';

export type Verdict =
  | { readonly judgement: Exclude<Judgement, 'unjudged'> }
  | { readonly judgement: 'unjudged'; readonly reason: Reason };

export function judge(
  { wholeXid }: Pick<AbsentEvent, 'wholeXid'>,
  { first, streamed, covered }: Known,
  sight: Sight,
): Verdict {
  if (first !== undefined && visibility(wholeXid, first) === 'visible') return { judgement: 'before' };
  if (streamed === undefined || visibility(wholeXid, streamed) !== 'hidden')
    return { judgement: 'unjudged', reason: 'unknown-start' };
  const inCovered = covered === undefined ? 'unclear' : visibility(wholeXid, covered);
  if (inCovered === 'visible')
    return sight === 'whole' ? { judgement: 'unjudged', reason: 'contradiction' } : { judgement: 'expired' };
  if (sight === 'whole') return { judgement: 'missing' };
  // Had it been published, then after the snapshot was taken.
  if (sight === 'since-covered' && inCovered === 'hidden') return { judgement: 'missing' };
  return { judgement: 'unjudged', reason: 'removed' };
}

/** The latest that a Date can be; Postgres has later ones. */
const latestMs = 8.64e15;

/** ms since 1970 of a time in µs; of the time of an event, the commit's where it is known. */
export function timeMs(timeUs: bigint | null): number | undefined {
  const ms = timeUs === null ? undefined : Number(timeUs / 1000n);
  return ms === undefined || ms > latestMs ? undefined : ms;
}

export function eventMs({ committedUs, createdUs }: AbsentEvent): number | undefined {
  return timeMs(committedUs ?? createdUs);
}

/**
 * In the order in which they are published. By commit time where Postgres kept it: transactions whose commits did not
 * wait for one another may be a few microseconds apart the other way round in the WAL; those of writers that take turns
 * (on a lock, on a row) never are. Otherwise by the time the row was written, which is the same for writers that hold the
 * lock of an aggregate when they write its events, and may differ for others. Within a transaction by statement and row.
 */
export function order(events: readonly AbsentEvent[]): AbsentEvent[] {
  return events.toSorted(
    (a, b) =>
      compare(a.committedUs ?? a.createdUs, b.committedUs ?? b.createdUs) ||
      Number(a.committedUs !== null) - Number(b.committedUs !== null) ||
      // Those of equal commit times are of one transaction; its savepoints have xids of their own.
      (a.committedUs === null ? b.xidAge - a.xidAge : 0) ||
      a.command - b.command ||
      compare(a.createdUs, b.createdUs) ||
      compare(rowNumber(a.place), rowNumber(b.place)),
  );
}

/** A ctid, `(page,line)`, as one number. */
function rowNumber(place: string): bigint {
  const [page = '0', line = '0'] = place.slice(1, -1).split(',');
  return (BigInt(page) << 16n) + BigInt(line);
}

/** What has no time comes first. */
function compare(a: bigint | null, b: bigint | null): number {
  if (a === b) return 0;
  return a === null || (b !== null && a < b) ? -1 : 1;
}

/**
 * Keys of which events of several transactions are missing, where it is not known which of those was committed first.
 * Of one transaction the order is always known.
 */
export function countUncertainKeys(events: readonly AbsentEvent[]): number {
  const transactions = new Map<string, Set<string>>();
  const uncertain = new Set<string>();
  for (const { topic, key, xid, committedUs } of events) {
    const name = `${topic ?? ''}\0${key ?? ''}`;
    const seen = transactions.get(name) ?? new Set();
    transactions.set(name, seen.add(xid));
    if (committedUs === null) uncertain.add(name);
  }
  return [...uncertain].filter((name) => transactions.get(name)!.size > 1).length;
}

/** Neighbours of one transaction, which are published together: those with the same commit time, else the same xid. */
export function transactionsOf(events: readonly AbsentEvent[]): AbsentEvent[][] {
  const groups: AbsentEvent[][] = [];
  let last: AbsentEvent | undefined;
  for (const event of events) {
    const isSame =
      last !== undefined &&
      (event.xid === last.xid || (event.committedUs !== null && event.committedUs === last.committedUs));
    if (isSame) groups.at(-1)!.push(event);
    else groups.push([event]);
    last = event;
  }
  return groups;
}
