/** What a snapshot of Postgres says of a transaction by its number. Pure. */

/** Transaction numbers with their epoch: they never come again. */
export type Snapshot = {
  /** All below are over. */
  readonly xmin: bigint;
  /** This one and all above were not over. */
  readonly xmax: bigint;
  /** Between the two: those that were running. */
  readonly running: ReadonlySet<bigint>;
};

/** As Postgres prints a pg_snapshot: `xmin:xmax:running,…`. */
export function parseSnapshot(text: string): Snapshot {
  const [xmin, xmax, running] = text.split(':');
  if (xmin === undefined || xmax === undefined || running === undefined)
    throw new TypeError(`not a snapshot: ${text}`);
  const numbers = running === '' ? [] : running.split(',');
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), running: new Set(numbers.map(BigInt)) };
}

/**
 * Whether a transaction that is known to be committed shows in the snapshot. `unclear` is a number between running ones: a
 * savepoint of a running transaction has a number of its own that the list lacks.
 */
export function visibility(xid: bigint, { xmin, xmax, running }: Snapshot): 'visible' | 'unclear' | 'hidden' {
  if (xid < xmin) return 'visible';
  if (xid >= xmax || running.has(xid)) return 'hidden';
  return running.size === 0 ? 'visible' : 'unclear';
}

/** Numbers below are not of transactions: rows that initdb made or that an old server froze. */
const firstNormalXid = 3n;

/**
 * A row keeps 32 bits of its number, for ever. Returns the greatest number with these bits below `xmax`, as every row of a
 * snapshot has one. Only a row that outlives 2^32 transactions (50 days at 1,000/s) is older than that says: it is then
 * taken for one of the last 2^32, as by Postgres itself.
 */
export function wholeXid(xmin: string, xmax: bigint): bigint {
  const low = BigInt(xmin);
  if (low < firstNormalXid) return 0n;
  const last = xmax - 1n;
  const whole = last - BigInt.asUintN(32, last - low);
  return whole < 0n ? 0n : whole;
}
