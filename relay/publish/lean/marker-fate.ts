/**
 * Owns how a transaction ended, or must end, and how a successor learns it: in the last digits of the timeout that
 * InitProducerId stores. A timeout that somebody chose has none of these.
 */
import type { TransactionAnswer } from '../wire/questions.ts';

/** How a transaction ended, or must end. */
export type Fate = 'commit' | 'abort';

const fates: Readonly<Record<string, Fate>> = {
  Ongoing: 'abort',
  PrepareAbort: 'abort',
  CompleteAbort: 'abort',
  PrepareCommit: 'commit',
  CompleteCommit: 'commit',
};

/**
 * `mending`: every transaction of this epoch only finishes what is committed. The partition of the progress has nothing
 * unfinished then, or what it has is committed.
 */
const digits = { commit: 991, abort: 992, mending: 993 } as const;
type Note = keyof typeof digits;

/**
 * The timeout that a producer may begin with: a successor would take these digits for a note, and commit what is half
 * written.
 */
export function withoutNote(timeoutMs: number): number {
  const notes: readonly number[] = Object.values(digits);
  return notes.includes(timeoutMs % 1_000) ? timeoutMs - notes.length : timeoutMs;
}

/** @returns the timeout as it is where that is too short for a note */
export function withNote(timeoutMs: number, note: Note | undefined): number {
  const isLong = timeoutMs >= 2_000;
  return note === undefined || !isLong ? timeoutMs : Math.floor(timeoutMs / 1_000 - 1) * 1_000 + digits[note];
}

const has = ({ timeoutMs }: Pick<TransactionAnswer, 'timeoutMs'>, note: Note): boolean =>
  timeoutMs % 1_000 === digits[note];

type Described = Pick<TransactionAnswer, 'state' | 'timeoutMs'>;

/** How the last transaction ends that had the progress, or would have had it. */
export function lastFate(described: Described): Fate | undefined {
  if (has(described, 'mending')) return 'commit';
  if (described.state !== 'Empty') return fates[described.state];
  return has(described, 'commit') ? 'commit' : has(described, 'abort') ? 'abort' : undefined;
}

/** Whether it was such a transaction, and the coordinator aborted it. */
export const isMendUndone = (described: Described): boolean =>
  fates[described.state] === 'abort' && described.state !== 'Ongoing' && has(described, 'mending');

/** Whether it is a transaction that finishes what is committed, and must itself be committed. */
export const isMendOpen = (described: Described): boolean =>
  described.state === 'Ongoing' && has(described, 'mending');
