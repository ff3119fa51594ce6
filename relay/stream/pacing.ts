/** Owns when the batch that fills is committed. Pure: the caller gives the time, on a monotonic clock. */
import type { Filling } from './filling.ts';

export type Pacing = {
  readonly lingerMs: number;
  readonly heartbeatMs: number;
  /** When the last Kafka transaction began; at first, when the session did. */
  begunMs: number;
  /** When the last Kafka transaction was committed; at first, when the session began. */
  committedMs: number;
};

/**
 * Events are committed at once, but no sooner than `lingerMs` after the batch before began: an event after a silence waits
 * for nothing, and under load many share a Kafka transaction. Progress without events is committed every `heartbeatMs`.
 * @param isBlocked whether the stream waits for this batch
 * @returns ms from now, 0 where the batch is due; undefined while it covers nothing
 */
export function dueInMs(
  { hasEvents, covered }: Pick<Filling, 'hasEvents' | 'covered'>,
  isBlocked: boolean,
  { lingerMs, heartbeatMs, begunMs, committedMs }: Pacing,
  nowMs: number,
): number | undefined {
  if (hasEvents && isBlocked) return 0;
  if (covered === undefined) return undefined;
  const dueMs = hasEvents ? begunMs + lingerMs : committedMs + heartbeatMs;
  return Math.max(0, dueMs - nowMs);
}
