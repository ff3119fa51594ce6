/** Waits for a condition by polling, where nothing signals that it has come true. */
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
