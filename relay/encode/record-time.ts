/**
 * Decides the time of a record: the time of the commit, unless the topic would then soon remove the record. Kafka
 * counts `retention.ms` from the record's time, not from when the record was written. So it would remove an event that
 * is published late, after a long outage or by `recover`, before consumers could read it.
 *
 * @see https://kafka.apache.org/documentation/#topicconfigs_retention.ms
 */

/** Header with the commit time, ISO 8601, of a record that has a different time. */
export const committedAtHeader = 'committed-at';

export type RecordTime = {
  /** ms since 1970 */
  readonly timestampMs: number;
  /** Whether this is not the time of the commit, because the topic would remove the record too soon. */
  readonly isMoved: boolean;
};

/**
 * Leaves readers at least half of the topic's retention, and keeps the times in commit order. A time in the future,
 * from a database with a fast clock, becomes the present, because brokers refuse it (message.timestamp.after.max.ms).
 * @param keptMs how old a record may be in its topic
 */
export function recordTime(committedAtMs: number, keptMs: number, nowMs: number): RecordTime {
  const oldestMs = nowMs - Math.floor(keptMs / 2);
  return committedAtMs < oldestMs
    ? { timestampMs: oldestMs, isMoved: true }
    : { timestampMs: Math.min(committedAtMs, nowMs), isMoved: false };
}

/** The commit time of a record's event, in ms since 1970. */
export function commitTimeMs(timestampMs: number, committedAt: string | undefined): number {
  const headerMs = committedAt === undefined ? Number.NaN : Date.parse(committedAt);
  return Number.isNaN(headerMs) ? timestampMs : headerMs;
}
