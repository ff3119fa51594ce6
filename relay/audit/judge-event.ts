/** Pure decisions about one event, from the facts that the index has of it. `compare.ts` states the rules. */
import { type EventIndex, flag } from './event-index.ts';
import type { Lost } from './kept-from.ts';
import { refusedOf } from './letter-meaning.ts';
import type { Origin } from './origin.ts';

export function isOpenDeadLetter(index: EventIndex, slot: number): boolean {
  return index.has(slot, flag.deadLetter) && !index.has(slot, flag.resubmitted);
}

/** Kafka has fewer records than it should, and no dead letter accounts for that. */
export function isAbsent(index: EventIndex, slot: number): boolean {
  if (index.has(slot, flag.deadLetter | flag.underWay)) return false;
  const rows = index.rows(slot);
  // Of a resubmitted event the refused row may be there or not; the snapshot has what was written in its place.
  const wanted = index.has(slot, flag.resubmitted) ? rows - refusedOf(rows) : rows;
  return wanted > index.records(slot);
}

/** A refused event that was corrected and written again has two rows, of which one is published. */
export function isRepeated(index: EventIndex, slot: number): boolean {
  return (index.rows(slot) > 1 && !index.has(slot, flag.resubmitted)) || index.has(slot, flag.repeated);
}

const known = flag.newer | flag.deadLetter | flag.resubmitted | flag.released;

/** Published by the stream or by a replay. */
export function isInKafka(index: EventIndex, slot: number): boolean {
  return index.records(slot) > 0 || index.has(slot, flag.replayed);
}

/** In Kafka, but neither in the table nor a dead letter. */
export function isStranger(index: EventIndex, slot: number): boolean {
  return isInKafka(index, slot) && index.rows(slot) === 0 && !index.has(slot, known);
}

const originFlags: Readonly<Record<Origin, number>> = {
  streamed: flag.streamed,
  before: flag.before,
  undated: flag.undated,
};

export function noteOrigin(index: EventIndex, slot: number, origin: Origin): void {
  index.addFlag(slot, originFlags[origin]);
}

/** Of several rows with one id, those that are to be published decide. */
export function originOf(index: EventIndex, slot: number): Origin {
  if (index.has(slot, flag.streamed)) return 'streamed';
  return index.has(slot, flag.undated) ? 'undated' : 'before';
}

export type Absence =
  | 'missing'
  | 'missingOrRemoved'
  | 'notYetPublished'
  | 'expired'
  | 'before'
  | 'undated'
  | 'superseded';

export type AbsenceFacts = {
  /** When the event was written. */
  readonly timeMs: number;
  readonly origin: Origin;
  readonly isSuperseded: boolean;
  /** Whether the progress was at the snapshot before the ends of the topics were taken. */
  readonly isCovered: boolean;
  /** What its topic has lost; undefined where nothing was removed. */
  readonly lost: Lost | undefined;
  readonly expectAll: boolean;
};

export function absenceOf(facts: AbsenceFacts): Absence {
  const { timeMs, lost, origin, expectAll } = facts;
  if (!expectAll && origin === 'before') return 'before';
  if (!expectAll && facts.isSuperseded) return 'superseded';
  if (!facts.isCovered) return 'notYetPublished';
  if (!expectAll && origin === 'undated') return 'undated';
  if (expectAll) return 'missing';
  if (lost === undefined || timeMs > lost.goneMs) return 'missing';
  // A time that is not known is as old as it may be.
  if (timeMs <= lost.explainedMs) return 'expired';
  return Number.isNaN(timeMs) && lost.explainedMs !== Number.NEGATIVE_INFINITY
    ? 'expired'
    : 'missingOrRemoved';
}
