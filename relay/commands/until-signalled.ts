/** For commands that run until they are stopped. */

/** Aborted by SIGTERM or SIGINT; a second one ends the process at once. */
export function untilSignalled(): AbortSignal {
  const ending = new AbortController();
  const onSignal = () => {
    if (ending.signal.aborted) process.exit(process.exitCode ?? 0);
    ending.abort();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return ending.signal;
}
