/**
 * Which events of the outbox table were never published. Pure.
 *
 * The promise rests on the snapshot: the table is read as of exactly the position at which the slot starts, so an event is
 * either in the snapshot or on the stream, and never both. And it rests on the ids: an event that is in Kafka, or is a
 * dead letter, is never published again, however often a recovery is repeated.
 *
 * What cannot be known is reported, not guessed. If Kafka has removed the start of a topic, an absent event may have been
 * published and removed (`judge`). And a table does not keep the order of the commits (relay/recover/order.ts).
 *
 * The verdict depends on when the transaction of a row was committed, by snapshots that the relay keeps in the database
 * (relay/ledger/snapshots.ts). Three other sources of time have each lost events:
 * - `created_at`, which the application writes: a business date, a time without zone, the clock of another machine.
 * - The times of records in Kafka: other services write to the same topics, and an event that was released or recovered
 *   late stands behind younger ones.
 * - The time of the last progress: a relay that lags writes one now, and publishes what was committed hours ago.
 */
import { type PgSnapshot, visibility } from '../model/pg-snapshot.ts';

/** A row of the snapshot whose id is in no topic and no dead letter. */
export type AbsentEvent = {
  readonly id: string;
  /** Where the row is: the object id of its table, and its ctid. */
  readonly relation: string;
  readonly place: string;
  /** Number of the (sub)transaction that wrote it. */
  readonly xid: string;
  /** The same with its epoch. */
  readonly wholeXid: bigint;
  /** Microseconds since 1970; null if track_commit_timestamp is off, or was off then. */
  readonly committedUs: bigint | null;
  /** Microseconds since 1970; null if the table has no such column. */
  readonly createdUs: bigint | null;
  /** undefined if the event routes to no allowed topic. */
  readonly topic: string | undefined;
  readonly key: string | null;
};

/** Snapshots that tell when events were committed; undefined if the relay kept none. */
export type Known = {
  /** What is visible was committed before the slot was first created. */
  readonly first: PgSnapshot | undefined;
  /** What is not visible comes on the stream. */
  readonly streamed: PgSnapshot | undefined;
  /** What is visible here, and not in `streamed`, was published or dead-lettered. */
  readonly covered: PgSnapshot | undefined;
};

/**
 * How much of a topic is left.
 * - `whole`: Kafka has removed nothing.
 * - `since-covered`: the start is removed, but each partition still has something that was published before the snapshot
 *   `covered` was taken, and so everything that was published later. Or the topic is compacted and has no record of the
 *   event's key, not even a tombstone, and it keeps tombstones for longer than the time since that snapshot.
 * - `part`: records are gone, and they may have been any.
 */
export type Sight = 'whole' | 'since-covered' | 'part';

/**
 * - `missing`: was never published.
 * - `before`: was committed before the first start of the relay, so it must not be published.
 * - `expired`: was published, and has been removed from Kafka since.
 * - `unjudged`: a person has to judge, for one of the reasons.
 */
export type Judgement = 'missing' | 'before' | 'expired' | 'unjudged';

/** Why nobody can tell from the data. */
export type Reason =
  /** Nobody knows whether it came on the stream: the relay kept no snapshot then, or a person gave it up. */
  | 'unknown-start'
  /** It counts as published, and a topic from which nothing was removed does not have it. */
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
  // If it had been published, that was after the snapshot, and its record would be left.
  if (sight === 'since-covered' && inCovered === 'hidden') return { judgement: 'missing' };
  return { judgement: 'unjudged', reason: 'removed' };
}

/** The latest time of a Date; Postgres has later ones. */
const latestMs = 8.64e15;

/** A time in µs as ms since 1970; undefined if it is unknown or beyond a Date. */
export function timeMs(timeUs: bigint | null): number | undefined {
  const ms = timeUs === null ? undefined : Number(timeUs / 1000n);
  return ms === undefined || ms > latestMs ? undefined : ms;
}

/** The commit time, if Postgres kept it, else what the row says. */
export function eventMs({ committedUs, createdUs }: AbsentEvent): number | undefined {
  return timeMs(committedUs ?? createdUs);
}

/** Whether two neighbours in the order of publishing are of one transaction, and are published together. */
export const areOfOneTransaction = (a: AbsentEvent, b: AbsentEvent): boolean =>
  a.xid === b.xid || (a.committedUs !== null && a.committedUs === b.committedUs);
