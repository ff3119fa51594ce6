/**
 * Log sequence numbers and positions. An LSN is a 64-bit byte offset in the WAL, always held as `bigint`: Postgres
 * prints it unpadded, so texts would compare wrongly.
 * @see https://www.postgresql.org/docs/current/datatype-pg-lsn.html
 */
export type Lsn = bigint;

/**
 * Identifies an event: the commit LSN of its Postgres transaction, and its number among the outbox inserts of that
 * transaction, from 0. Rows of one transaction share the LSN; rows of one COPY share everything but the ordinal. It is
 * the commit LSN and not the end LSN, because a transaction over the limit is published in parts before its end is
 * known. Both order transactions alike, because commit records do not overlap.
 */
export type Position = { readonly commitLsn: Lsn; readonly ordinal: number };

const lsnPattern = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** Reads `16/B374D848`; throws a `RangeError` on anything else. */
export function parseLsn(text: string): Lsn {
  const match = lsnPattern.exec(text);
  if (match === null) throw new RangeError(`not an LSN: ${JSON.stringify(text)}`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** Prints an LSN as Postgres does, `16/B374D848`. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;
}

/**
 * A position as the text of the `position` header: 16 hexadecimal digits of the commit LSN, a dot, 8 of the ordinal.
 * Of fixed width, so that comparing two as plain strings compares the positions.
 */
export function formatPosition(commitLsn: Lsn, ordinal: number): string {
  return `${positionPrefix(commitLsn)}${ordinal.toString(16).padStart(8, '0')}`;
}

/** The part of `formatPosition` that all events of one transaction share, dot included. */
export function positionPrefix(commitLsn: Lsn): string {
  return `${commitLsn.toString(16).padStart(16, '0')}.`;
}

const positionPattern = /^([0-9a-f]{16})\.([0-9a-f]{8})$/;

/** The inverse of `formatPosition`; undefined for anything else. */
export function parsePosition(text: string): Position | undefined {
  const match = positionPattern.exec(text);
  if (match === null) return undefined;
  return { commitLsn: BigInt(`0x${match[1]}`), ordinal: Number.parseInt(match[2]!, 16) };
}
