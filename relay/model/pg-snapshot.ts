/** What a snapshot of Postgres tells about a transaction, by its number. Pure. */

/** Transaction numbers with their epoch, so that none comes twice. */
export type PgSnapshot = {
  /** All below had ended. */
  readonly xmin: bigint;
  /** This one and all above had not ended. */
  readonly xmax: bigint;
  /** The ones between that were running. */
  readonly running: ReadonlySet<bigint>;
};

/** As Postgres prints a pg_snapshot: `xmin:xmax:running,…`. */
export function parseSnapshot(text: string): PgSnapshot {
  const [xmin, xmax, running] = text.split(':');
  if (xmin === undefined || xmax === undefined || running === undefined)
    throw new TypeError(`not a snapshot: ${text}`);
  const numbers = running === '' ? [] : running.split(',');
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), running: new Set(numbers.map(BigInt)) };
}

/**
 * Whether a committed transaction shows in the snapshot. `unclear` is a number between running ones: it may be of a
 * savepoint of a running transaction, and the list does not have those.
 */
export function visibility(
  xid: bigint,
  { xmin, xmax, running }: PgSnapshot,
): 'visible' | 'unclear' | 'hidden' {
  if (xid < xmin) return 'visible';
  if (xid >= xmax || running.has(xid)) return 'hidden';
  return running.size === 0 ? 'visible' : 'unclear';
}

/** Lower numbers belong to no transaction, but to rows that initdb wrote or an old server froze. */
const firstNormalXid = 3n;

/**
 * A row keeps only 32 bits of its number. Returns the greatest number below `xmax` with these bits; every row of a snapshot
 * has one. A row that is older than 2^32 transactions (50 days at 1,000/s) counts as one of the last 2^32.
 */
export function wholeXid(xmin: string, xmax: bigint): bigint {
  const low = BigInt(xmin);
  if (low < firstNormalXid) return 0n;
  const last = xmax - 1n;
  const whole = last - BigInt.asUintN(32, last - low);
  return whole < 0n ? 0n : whole;
}
