/**
 * How a command that takes a while ends at SIGTERM or SIGINT: the first one lets it finish what must not be cut off, the
 * second one ends the process at once. Every command that handles signals does so here.
 */
import type { Logger } from 'pino';
import { asRelayError, exitCodes } from '../errors.ts';
import { logFatal } from '../observe/fatal.ts';

/**
 * One Ctrl-C arrives twice: the terminal sends it to the whole process group, and npm, npx or another wrapper passes its
 * own on. So does a supervisor that signals the group. On a busy machine a wrapper takes some hundred
 * milliseconds. A person who wants to end the process at once presses the keys again.
 */
export const echoMs = 1_000;

type Manner = {
  /** Of a process that a second signal ends. */
  readonly exitCode: number;
  readonly onFirst?: (signal: NodeJS.Signals) => void;
  readonly onSecond?: (signal: NodeJS.Signals) => void;
};

/** For a command that does one thing: what a signal ends has not done all of it. */
export const oneShot: Manner = {
  exitCode: exitCodes.findings,
  onSecond: () => void process.stderr.write('second signal: ended at once; run it again\n'),
};

/** For a service, which a signal is meant to end. */
const service: Manner = { exitCode: exitCodes.ok };

/**
 * Runs `work` with a signal that SIGTERM or SIGINT aborts. If none came, the default applies again afterwards. If one
 * came, its echo may still come while the result is printed.
 */
export async function untilSignalled<Result>(
  { exitCode, onFirst, onSecond }: Manner,
  work: (ending: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const ending = new AbortController();
  let firstMs = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    if (!ending.signal.aborted) {
      firstMs = performance.now();
      onFirst?.(signal);
      ending.abort();
    } else if (performance.now() - firstMs >= echoMs) {
      onSecond?.(signal);
      process.exit(exitCode);
    }
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  try {
    return await work(ending.signal);
  } finally {
    if (!ending.signal.aborted) process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
  }
}

/** As `untilSignalled`, for a service: the error that ends it is a line of its log. */
export function serve(
  { log, name, ...manner }: Partial<Manner> & { readonly log: Logger; readonly name: string },
  work: (ending: AbortSignal) => Promise<void>,
): Promise<void> {
  return untilSignalled({ ...service, ...manner }, (ending) =>
    work(ending).catch((error: unknown) => {
      const failure = asRelayError(error);
      logFatal(log, failure, name);
      throw failure;
    }),
  );
}
