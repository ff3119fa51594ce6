/**
 * How busy this machine is. Time limits assume an idle one; a busy one stretches them, so that a breach is about the relay.
 * One machine runs everything, so this is the only state of a run that is not passed on.
 */
import { availableParallelism, loadavg } from 'node:os';
import { waitFor as waitForMs } from '../harness/wait.ts';

/** On a machine where the time limits hold as they are, a calm restart takes no longer than this. */
const calmRestartMs = 2_500;

let measuredMs = 0;

/** How long a restart took when nothing else was broken. */
export function noteCalmRestart(ms: number): void {
  measuredMs = ms;
}

/** A time limit as it holds now. */
export const stretched = (ms: number): number =>
  ms * Math.max(1, measuredMs / calmRestartMs, loadavg()[0]! / (2 * availableParallelism()));

/** @param timeoutMs on an idle machine @throws when the condition is not met in time, with what was waited for */
export const waitFor = (isMet: () => boolean | Promise<boolean>, what: string, timeoutMs: number) =>
  waitForMs(isMet, what, stretched(timeoutMs));
