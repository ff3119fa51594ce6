/**
 * Owns how far Kafka is behind Postgres, from what the relay says of its stream and of its slot. Pure. Promise: a number is
 * the truth of a moment ago, and what nobody can know is undefined.
 */
import type { Lsn } from '../model/position.ts';
import type { Facts } from './facts.ts';

export type Lag = {
  /** WAL that is written and not covered by the progress. */
  readonly bytes: number | undefined;
  /** undefined where Postgres may have events that the relay has not received. */
  readonly events: number | undefined;
  /** Age of the oldest transaction that is received and not in Kafka; 0 where there is none. */
  readonly ms: number;
};

/**
 * @param writtenLsn end of the WAL by the latest look at the slot; undefined after a look that failed. The stream alone
 * does not tell: a server that still decodes, or a relay that has stopped reading, is behind it.
 * @returns undefined unless this relay streams
 */
export function lagOf(
  { stream, inFlightEvents }: Pick<Facts['sampled'], 'stream' | 'inFlightEvents'>,
  writtenLsn: Lsn | undefined,
): Lag | undefined {
  if (stream === undefined) return undefined;
  const { progressLsn, serverLsn, oldestMs, isReadingOn } = stream;
  if (writtenLsn === undefined) return { bytes: undefined, events: undefined, ms: oldestMs };
  const endLsn = serverLsn > writtenLsn ? serverLsn : writtenLsn;
  return {
    bytes: endLsn > progressLsn ? Number(endLsn - progressLsn) : 0,
    events: isReadingOn && serverLsn >= writtenLsn ? inFlightEvents : undefined,
    ms: oldestMs,
  };
}
