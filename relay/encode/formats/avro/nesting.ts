/**
 * Owns two bounds on the work that one payload can cause: how deep records nest (under a recursive schema, a payload
 * could otherwise overflow the stack), and how many trials of branches fail in nested unions (each level can double the
 * work). One event is written at a time, so the counters belong to the module.
 */
import { ValueMismatch } from '../mismatch.ts';

/** Records within records. A level takes some four frames of about 150 bytes; the stack has room for ten times that. */
export const depthMax = 512;

/** Failed trials within another trial. Those of the items of a list, one after another, are not bounded. */
export const nestedFailuresMax = 10_000;

let depth = 0;
let trials = 0;
let nestedFailures = 0;

/** Called before each event: an unrelated error may have left the counters in the middle. */
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

/** Whether the value fits. A mismatch is an answer here, unless there were too many. */
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
