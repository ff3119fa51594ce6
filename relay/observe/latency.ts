/**
 * Owns how long the events of a Postgres transaction took to Kafka, and where. Promise: the parts add up to the whole, but
 * for what the clocks of two machines differ.
 */
import type { CommittedBatch } from './facts.ts';
import type { Metrics } from './metrics.ts';

/** In the order in which a transaction passes them. The help of the metric says what each covers. */
export const latencyStages = ['capture', 'wait', 'encode', 'publish', 'acknowledge'] as const;

/**
 * @param clock for tests: ms since 1970, and ms on the monotonic clock at the same moment
 * @returns observes each Postgres transaction of a batch that is committed
 */
export function latencyOf(
  histogram: Metrics['histogram'],
  clock = () => ({ wallMs: Date.now(), monotonicMs: performance.now() }),
): (batch: CommittedBatch) => void {
  const { publish_latency_seconds: whole, publish_latency_stage_seconds: part, encode_seconds } = histogram;
  const [capture, wait, encode, publish, acknowledge] = latencyStages.map((stage) => part.of({ stage }));
  return ({ committedAtMs, waypoints, begunMs, writtenMs, confirmedMs }) => {
    const { wallMs, monotonicMs } = clock();
    const timeOfMs = wallMs - monotonicMs;
    for (let index = 0; index < waypoints.length; index++) {
      const { receivedMs, takenMs, encodedMs, encodingMs } = waypoints[index]!;
      const sinceCommitMs = timeOfMs - committedAtMs[index]!;
      // The clock of the database may be ahead of ours.
      whole.observe(Math.max(0, sinceCommitMs + confirmedMs) / 1000);
      capture!.observe(Math.max(0, sinceCommitMs + receivedMs) / 1000);
      wait!.observe((takenMs - receivedMs + begunMs - encodedMs) / 1000);
      encode!.observe((encodedMs - takenMs) / 1000);
      encode_seconds.observe(encodingMs / 1000);
    }
    publish!.observe((writtenMs - begunMs) / 1000, waypoints.length);
    acknowledge!.observe((confirmedMs - writtenMs) / 1000, waypoints.length);
  };
}
