/** Owns how long to wait between two attempts, and the waiting. */
import { setTimeout as delay } from 'node:timers/promises';

/**
 * The pause before the next attempt: exponential with full jitter. Of the known rules it spreads many relays that lost the
 * same server best, and costs the least work.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * @param attempt 0 after the first failure
 */
export function backoffMs(
  attempt: number,
  { initialDelayMs, maxDelayMs }: { readonly initialDelayMs: number; readonly maxDelayMs: number },
  random: () => number = Math.random,
): number {
  const ceilingMs = Math.min(maxDelayMs, initialDelayMs * 2 ** Math.min(attempt, 30));
  return Math.round(random() * ceilingMs);
}

/** Waits for `durationMs`, or until `signal` is aborted. */
export async function pause(durationMs: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(durationMs, undefined, { signal });
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
}
