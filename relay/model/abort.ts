/**
 * Owns signals that abort with another one, or after a time. Not with `AbortSignal.any`: nothing keeps the signals that it
 * is given, so what nobody else holds may be collected as garbage, and who waits waits for ever. On Node 20 and 22 that
 * happens to each `AbortSignal.timeout` in it, on 22 and 24.0 to an `any` in an `any`.
 */

/** Has the controller abort with the signal too. @returns the signal of the controller, which is to abort in the end */
export function abortWith(ending: AbortController, signal: AbortSignal): AbortSignal {
  const end = () => ending.abort(signal.reason);
  if (signal.aborted) end();
  else {
    signal.addEventListener('abort', end);
    ending.signal.addEventListener('abort', () => signal.removeEventListener('abort', end), { once: true });
  }
  return ending.signal;
}

/** What a timer can wait for, 24.8 days: one that is to wait for longer fires at once. */
const timerMaxMs = 2 ** 31 - 1;

/** @returns a signal that aborts after the time, or with `signal`. It keeps no process alive. */
export function abortAfter(limitMs: number, signal?: AbortSignal): AbortSignal {
  const ending = new AbortController();
  const end = () => ending.abort(new DOMException('The time is over', 'TimeoutError'));
  const timer = setTimeout(end, Math.min(limitMs, timerMaxMs));
  timer.unref();
  ending.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  return signal === undefined ? ending.signal : abortWith(ending, signal);
}
