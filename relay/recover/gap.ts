/**
 * Which events of the outbox table were never published, and in what order they are to be. Pure.
 *
 * The promise rests on the snapshot: the table is read as of exactly the position at which the new slot begins, so that an
 * event is either here or on the stream, and never both. And on the ids: what is in Kafka, or a dead letter, is never
 * published again, however often this is repeated.
 *
 * What cannot be known is said, not guessed. Where Kafka has removed the beginning of a topic, an absent event may have
 * been published and removed: `judge`. And a table does not keep the order of commits: `order`.
 */

/** A row of the snapshot whose id is in no topic and no dead letter. */
export type AbsentEvent = {
  readonly id: string;
  /** Where the row is: the object id of its table, and its ctid. */
  readonly relation: string;
  readonly place: string;
  /** Of the (sub)transaction that wrote it. */
  readonly xid: string;
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

/** What Kafka still holds, as far as it tells what it has removed. */
export type Kept = {
  /** By topic of which a part was removed: the time of its oldest record left, ms; Infinity where that tells nothing. */
  readonly fromMs: ReadonlyMap<string, number>;
  /** Time of the latest record in any topic, ms; -Infinity where there is none. */
  readonly lastMs: number;
  /** When the last progress was written, ms; Infinity where there is none. */
  readonly progressMs: number;
  /** When the relay first began on this slot, ms; -Infinity where that is not known. */
  readonly firstStartMs: number;
};

/**
 * - `missing`: was never published.
 * - `before`: was written before the relay first began, so it was never to be streamed.
 * - `expired`: was published and is removed from Kafka since, for something committed later was published.
 * - `unjudged`: one or the other.
 */
export type Judgement = 'missing' | 'before' | 'expired' | 'unjudged';

/** A commit takes its time before its place in the WAL; in practice far below a millisecond. */
const commitToleranceMs = 60_000;
/** From the writing of a row to its commit, where only the former is known. */
const longestTransactionMs = 600_000;

export function judge(event: AbsentEvent, kept: Kept): Judgement {
  const { fromMs, lastMs, progressMs, firstStartMs } = kept;
  const writtenMs = timeMs(event.createdUs ?? event.committedUs);
  if (writtenMs !== undefined && writtenMs < firstStartMs) return 'before';
  const keptFromMs = event.topic === undefined ? undefined : fromMs.get(event.topic);
  if (keptFromMs === undefined) return 'missing';
  const eventMs = timeMs(event.committedUs ?? event.createdUs);
  if (eventMs === undefined) return 'unjudged';
  // Its record would be younger than what Kafka still has, or than what anybody published.
  if (eventMs > keptFromMs || eventMs > progressMs + commitToleranceMs) return 'missing';
  if (lastMs > Number.NEGATIVE_INFINITY && eventMs > lastMs) return 'missing';
  const marginMs = event.committedUs === null ? longestTransactionMs : commitToleranceMs;
  return eventMs < lastMs - marginMs ? 'expired' : 'unjudged';
}

/** ms since 1970 of a time in µs; of the time of an event, the commit's where it is known. */
export function timeMs(timeUs: bigint | null): number | undefined {
  return timeUs === null ? undefined : Number(timeUs / 1000n);
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
