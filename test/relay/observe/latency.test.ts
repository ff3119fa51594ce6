import { expect, test } from 'vitest';
import { latencyOf, latencyStages } from '../../../relay/observe/latency.ts';
import { createMetrics } from '../../../relay/observe/metrics.ts';
import { committedSample } from './fact-samples.ts';

/** The database committed at 100,000 ms of its clock. Here it was 1,000 ms on the monotonic clock then. */
const batch = committedSample({
  committedAtMs: [100_000, 100_040],
  waypoints: [
    { receivedMs: 1_002, takenMs: 1_003, encodedMs: 1_043, encodingMs: 4 },
    { receivedMs: 1_042, takenMs: 1_044, encodedMs: 1_045, encodingMs: 1 },
  ],
  begunMs: 1_050,
  writtenMs: 1_070,
  confirmedMs: 1_090,
});

/** Sums in ms, by stage; the whole as `''`. */
async function observed(aheadMs = 0) {
  const { histogram, registry } = createMetrics({ process: false });
  const clock = () => ({ wallMs: 100_100 - aheadMs, monotonicMs: 1_100 });
  latencyOf(histogram, clock)(batch);
  const text = await registry.metrics();
  const read = (name: string) => Number(text.match(new RegExp(`^outbox_relay_${name} (.*)$`, 'm'))?.[1]);
  const stages = Object.fromEntries(
    latencyStages.map((stage) => [
      stage,
      Math.round(1_000 * read(`publish_latency_stage_seconds_sum\\{stage="${stage}"\\}`)),
    ]),
  );
  const whole = Math.round(1_000 * read('publish_latency_seconds_sum'));
  return { text, stages, whole, encodeMs: Math.round(1_000 * read('encode_seconds_sum')) };
}

test('each Postgres transaction is observed whole and in parts, which add up to the whole', async () => {
  const { text, stages, whole, encodeMs } = await observed();
  expect(stages).toEqual({ capture: 4, wait: 1 + 7 + 2 + 5, encode: 41, publish: 40, acknowledge: 40 });
  expect(whole).toBe(90 + 50);
  expect(Object.values(stages).reduce((sum, ms) => sum + ms, 0)).toBe(whole);
  expect(encodeMs).toBe(5);
  for (const stage of latencyStages)
    expect(text).toContain(`outbox_relay_publish_latency_stage_seconds_count{stage="${stage}"} 2\n`);
  expect(text).toContain('outbox_relay_publish_latency_seconds_bucket{le="0.05"} 1\n');
  expect(text).toContain('outbox_relay_publish_latency_seconds_count 2\n');
});

test('a clock of the database that is ahead gives no negative latency', async () => {
  const { stages, whole } = await observed(60_000);
  expect([stages.capture, whole]).toEqual([0, 0]);
  expect(stages.publish).toBe(40);
});
