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
