/**
 * Owns when a duty runs, what becomes of its failures, and when it ends. Promise: no duty holds up another or the stream,
 * however long it waits, and no duty that fails ends the stream, unless the failure says that the stream itself is not
 * what it was.
 */
import { setMaxListeners } from 'node:events';
import { pause } from '../connect/backoff.ts';
import { asRelayError, type RelayError } from '../errors.ts';
import type { Duty } from './duty.ts';

/**
 * SQLSTATE of a server that accepts no connections. While the stream is open, the server is shutting down and waits for us:
 * its walsender ends when all WAL is acknowledged, but the last records are in no transaction and so never are. A relay
 * that kept the stream open would keep the server from ending, and a switchover from happening.
 */
const cannotConnectNow = '57P03';

/** Between the first runs. A duty takes some ms, so that one connection serves them all where nothing waits. */
const staggerMs = 20;

/** @param retryInMs until the next run */
export type ReportFailure = (duty: Duty, failure: RelayError, retryInMs: number) => void;

/**
 * Runs each duty in a loop of its own until the signal. A loop that has ended leaves nothing behind that still runs: the
 * caller ends all of them when one fails, and waits for all, or one would write into the next session.
 * @param onDone called after each run that succeeded
 * @returns a promise for each loop. It rejects with a RelayError that says that the stream must end.
 */
export function runDuties(
  duties: readonly Duty[],
  report: ReportFailure,
  signal: AbortSignal,
  onDone: (duty: Duty) => void = () => {},
): readonly Promise<void>[] {
  // Each waits for it, and Node 20 warns of a leak from 11 on.
  setMaxListeners(0, signal);
  return duties.map((duty, index) => repeat(duty, index * staggerMs, report, signal, onDone));
}

async function repeat(
  duty: Duty,
  delayMs: number,
  report: ReportFailure,
  signal: AbortSignal,
  onDone: (duty: Duty) => void,
): Promise<void> {
  let failures = 0;
  if (delayMs > 0) await pause(delayMs, signal);
  while (!signal.aborted) {
    const begunMs = performance.now();
    let failure: RelayError | undefined;
    try {
      await duty.run(signal);
      failures = 0;
      onDone(duty);
    } catch (error) {
      failure = asRelayError(error);
      if (mustEndStream(duty, failure)) throw failure;
      failures += 1;
    }
    const tookMs = performance.now() - begunMs;
    const busyMs = failure === undefined ? (duty.busyMs?.() ?? tookMs) : tookMs;
    const pauseMs = pauseAfter(duty, failures, busyMs);
    if (failure !== undefined) report(duty, failure, pauseMs);
    await pause(pauseMs, signal);
  }
}

function mustEndStream({ endsStreamOn }: Duty, { code, context, entry }: RelayError): boolean {
  return (
    entry.endsStream === true ||
    endsStreamOn?.includes(code) === true ||
    context.sqlState === cannotConnectNow
  );
}

/** A run that fails mostly waits, such as for a connection: it does not hold up the next for an hour. */
const failedShareMax = 0.1;

/**
 * @param failures in a row, 0 after a run that succeeded
 * @param busyMs how long the run kept a server busy
 */
export function pauseAfter(
  { everyMs, retryMs = everyMs, shareMax }: Pick<Duty, 'everyMs' | 'retryMs' | 'shareMax'>,
  failures: number,
  busyMs: number,
): number {
  const usualMs = failures === 0 ? everyMs : Math.min(everyMs, retryMs * 2 ** Math.min(failures - 1, 30));
  if (shareMax === undefined) return usualMs;
  return Math.max(usualMs, busyMs / (failures === 0 ? shareMax : Math.max(shareMax, failedShareMax)));
}
