/** Waits for a condition by looking often: what is waited for here tells nobody when it comes true. */
import { setTimeout as delay } from 'node:timers/promises';

const lookEveryMs = 10;

/** @throws when it is not so in time, saying what was waited for */
export async function waitFor(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs: number,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await delay(lookEveryMs);
  }
}
