/**
 * Owns the two bounds on what one payload can make the writer do: how deep records nest (a recursive schema would
 * otherwise let a payload overflow the stack) and how often branches of nested unions are tried in vain (each level
 * can double the work). One event is written at a time, so the counters are the module's.
 */
import { ValueMismatch } from '../mismatch.ts';

/** Records within records. A level takes some four frames of about 150 bytes; the stack has room for ten times that. */
export const depthMax = 512;

/** Failures inside of another trial. Those of a list's elements, one after the other, are not bounded. */
export const nestedFailuresMax = 10_000;

let depth = 0;
let trials = 0;
let nestedFailures = 0;

/** Before each event: an error of another kind may have left the counters behind. */
export function resetNesting(): void {
  depth = 0;
  trials = 0;
  nestedFailures = 0;
}

export function enterRecord(): void {
  if (depth >= depthMax) throw new ValueMismatch(`at most ${depthMax} nested records`, 'more');
  depth++;
}

export function leaveRecord(): void {
  depth--;
}

/** Whether `write` fitted; a mismatch is an answer here, except where there were too many. */
export function isAccepted(write: () => boolean): boolean {
  trials++;
  try {
    return write();
  } catch (error) {
    if (!(error instanceof ValueMismatch) || nestedFailures >= nestedFailuresMax) throw error;
    if (trials > 1) nestedFailures++;
    return false;
  } finally {
    trials--;
  }
}
