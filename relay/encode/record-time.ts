/**
 * The time of a record is that of the commit, unless the topic would soon remove it for that: Kafka counts `retention.ms`
 * from the record's time, not from when it was written, so an event that is published late, after a long outage or by
 * `recover`, would be gone before anybody could read it.
 *
 * @see https://kafka.apache.org/documentation/#topicconfigs_retention.ms
 */

/** Holds the commit time, ISO 8601, of a record whose own time is another. */
export const committedAtHeader = 'committed-at';

export type RecordTime = {
  /** ms since 1970 */
  readonly timestampMs: number;
  /** Whether the topic would not keep the time of the commit. */
  readonly isMoved: boolean;
};

/**
 * Readers have half of the topic's retention at least, and times rise with the commits all the same. Brokers refuse those
 * of the future too (message.timestamp.after.max.ms), as a database with a fast clock gives.
 * @param keptMs how old a record may be in its topic
 */
export function recordTime(committedAtMs: number, keptMs: number, nowMs: number): RecordTime {
  const oldestMs = nowMs - Math.floor(keptMs / 2);
  return committedAtMs < oldestMs
    ? { timestampMs: oldestMs, isMoved: true }
    : { timestampMs: Math.min(committedAtMs, nowMs), isMoved: false };
}

/** When the event of a record was committed, ms since 1970. */
export function commitTimeMs(timestampMs: number, committedAt: string | undefined): number {
  const headerMs = committedAt === undefined ? Number.NaN : Date.parse(committedAt);
  return Number.isNaN(headerMs) ? timestampMs : headerMs;
}
