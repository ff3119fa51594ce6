/** The time, once a second, for all that shows how long ago something was: one timer for the whole page. */
import { useSyncExternalStore } from 'react';

const tickMs = 1_000;
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    for (const each of listeners) each();
  }, tickMs);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** In whole seconds, so that two readings of one moment are the same. */
const now = () => Math.floor(Date.now() / tickMs) * tickMs;

export const useNow = (): number => useSyncExternalStore(subscribe, now);

/** The Date of an answer has whole seconds, and the way takes time. */
const exactMs = 2_000;

/**
 * By how much the server's clock is ahead of this browser's; undefined where the answer does not tell. Pure.
 * @param date as in the header of an answer
 * @param tookMs how long it took: of a late one nobody knows when it was written
 */
export function aheadOf(date: string | null, nowMs: number, tookMs: number): number | undefined {
  const serverMs = Date.parse(date ?? '');
  if (Number.isNaN(serverMs) || tookMs > exactMs) return undefined;
  const aheadMs = serverMs - nowMs;
  return Math.abs(aheadMs) > exactMs ? aheadMs : 0;
}

let aheadMs = 0;

/** The server's times would otherwise be shown as too old or too young wherever the clock of this browser is wrong. */
export function learnServerClock(date: string | null, tookMs: number): void {
  aheadMs = aheadOf(date, Date.now(), tookMs) ?? aheadMs;
}

/** What a time of the server is compared with. @param nowMs by this browser */
export const byServer = (nowMs: number): number => nowMs + aheadMs;
