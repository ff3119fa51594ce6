/** Waits for what may never come: for a condition, by polling where nothing signals it, and for the end of some work. */
import { setTimeout as delay } from 'node:timers/promises';

const pollMs = 10;

/** @throws when the condition is not met in time, with what was waited for */
export async function waitFor(
  isMet: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs: number,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await isMet())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await delay(pollMs);
  }
}

/** The result of the work, which goes on alone if it takes longer. @throws when it does, with what was waited for */
export async function endOf<T>(work: Promise<T>, what: string, timeoutMs: number): Promise<T> {
  const timer = new AbortController();
  const limit = async (): Promise<never> => {
    await delay(timeoutMs, undefined, { signal: timer.signal });
    throw new Error(`waited ${timeoutMs} ms for ${what}`);
  };
  try {
    return await Promise.race([work, limit()]);
  } finally {
    timer.abort();
  }
}
