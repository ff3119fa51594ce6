import { describe, expect, test } from 'vitest';
import { backoffMs, pause } from '../../../relay/connect/backoff.ts';

const limits = { initialDelayMs: 100, maxDelayMs: 1_500 };
const most = (attempt: number) => backoffMs(attempt, limits, () => 1);

describe('the pause after a failure', () => {
  test('doubles with each attempt, up to the longest', () => {
    expect([0, 1, 2, 3, 4, 5, 40, 5_000].map(most)).toEqual([100, 200, 400, 800, 1_500, 1_500, 1_500, 1_500]);
  });

  test('is anything from nothing to that, as chance has it', () => {
    expect(backoffMs(3, limits, () => 0)).toBe(0);
    expect(backoffMs(3, limits, () => 0.5)).toBe(400);
  });

  test('differs between two relays', () => {
    const some = new Set(
      Array.from({ length: 20 }, () => backoffMs(20, { initialDelayMs: 1, maxDelayMs: 1e6 })),
    );
    expect(some.size).toBeGreaterThan(1);
  });
});

describe('pausing', () => {
  test('lasts as long as it should', async () => {
    const begunMs = performance.now();
    await pause(30, new AbortController().signal);
    expect(performance.now() - begunMs).toBeGreaterThanOrEqual(28);
  });

  test('ends with the signal, without an error', async () => {
    const abort = new AbortController();
    const paused = pause(3_600_000, abort.signal);
    abort.abort();
    await paused;
  });

  test('does not begin once the signal was given', async () => {
    await pause(3_600_000, AbortSignal.abort());
  });
});
