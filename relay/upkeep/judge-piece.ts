/** Decides which of the reasons keeps a part of the outbox table. Pure. */
import type { DropOutcome, Judged, Piece, SlotHold } from '../ledger/cleanup.ts';
import type { KeepReason } from '../model/keep-reasons.ts';

/** What holds back everything, whatever the rows are. @param beat of the progress in Kafka of this slot, if known */
export function reasonForAll(
  holds: readonly SlotHold[],
  own: { readonly slot: string; readonly beat: number | undefined },
): { readonly reason: KeepReason; readonly slot?: string } | undefined {
  if (holds.length === 0) return { reason: 'no-slot' };
  const stranger = holds.find(({ isOfHere }) => !isOfHere);
  if (stranger !== undefined) return { reason: 'other-database', slot: stranger.slot };
  const mine = holds.find(({ slot }) => slot === own.slot);
  if (mine !== undefined && own.beat !== undefined && own.beat < (mine.coveredBeat ?? 0))
    return { reason: 'kafka-behind', slot: own.slot };
  return undefined;
}

/** What holds back a piece without a look at its rows. */
export function reasonForPiece(
  { way, isGuarded, untilMs }: Pick<Piece, 'way' | 'isGuarded' | 'untilMs'>,
  {
    nowMs,
    retentionMs,
    hasTime,
    archives,
  }: {
    readonly nowMs: number;
    readonly retentionMs: number;
    readonly hasTime: boolean;
    readonly archives: boolean;
  },
): KeepReason | undefined {
  if (way === 'none') return 'shape';
  if (!isGuarded) return 'unguarded';
  if (!hasTime) return 'no-time';
  if (way === 'delete' && archives) return 'archive';
  return way === 'drop' && untilMs! > nowMs - retentionMs ? 'retention' : undefined;
}

/** The most telling reason for the rows that stay; undefined where none does. */
export function reasonForRows(judged: Judged): KeepReason | undefined {
  if (judged.removable === judged.allRows) return undefined;
  if (judged.uncovered > 0) return 'uncovered';
  if (judged.waiting > 0) return 'dead-letter';
  if (judged.unproven > 0) return 'unproven';
  // What the audit leaves out stays, however far it comes.
  if (judged.leftOut > 0) return 'before-audit';
  return judged.unverified > 0 ? 'unverified' : 'retention';
}

const ofOutcome = {
  shape: 'shape',
  owner: 'other-owner',
  retention: 'retention',
  unguarded: 'unguarded',
  uncovered: 'uncovered',
  unproven: 'unproven',
  unverified: 'unverified',
  waiting: 'dead-letter',
  changed: 'changed',
  writing: 'open-transaction',
  writer: 'busy',
  busy: 'busy',
  dependents: 'dependents',
} as const satisfies Record<Exclude<DropOutcome, 'dropped' | 'absent'>, KeepReason>;

/** undefined where the partition is gone. */
export function reasonForOutcome(outcome: DropOutcome): KeepReason | undefined {
  return outcome === 'dropped' || outcome === 'absent' ? undefined : ofOutcome[outcome];
}

/** These pass in a moment. */
export const isBrief = (reason: KeepReason | undefined): boolean => reason === 'busy' || reason === 'changed';
