/** Parts of the sentence that a person reads first in a status: what waits, and how long the slot is safe. Pure. */
import { count, counted } from '../model/counted.ts';
import type { DealtWith, SecondsLeft, StatusFacts } from './status.ts';
import { describeSeconds } from './status-words.ts';

type Letters = Pick<StatusFacts, 'deadLetters' | 'dealtWith' | 'parked' | 'setAside'>;

/** What is refused, what of it is fixed, and what waits behind it; undefined where nothing does. What is set aside is what a person wanted. */
export function waitingText({ deadLetters, dealtWith, parked, setAside }: Letters): string | undefined {
  const open = deadLetters.reduce((sum, each) => sum + each.open, 0);
  const keysAside = setAside.reduce((sum, { keys }) => sum + keys, 0);
  const keys = parked.keys - keysAside;
  // Nothing counts the events of topics that are set aside apart from the others.
  const behind = keys <= 0 ? undefined : keysAside > 0 ? counted(keys, 'key') : count(parked.events);
  const isOne = keysAside > 0 ? keys === 1 : parked.events === 1;
  const isEmpty = keysAside === 0 && parked.events === 0;
  if (open === 0) {
    if (keys <= 0) return undefined;
    const events = keysAside > 0 || isEmpty ? '' : ` ${counted(parked.events, 'event')} of`;
    const what = `${events} ${counted(keys, 'key')}`.trim();
    return `${what} ${what.startsWith('1 ') ? 'waits' : 'wait'} to be released.`;
  }
  const { text, hasParts } = refusedText(open, deadLetters, seenOf(dealtWith));
  if (behind === undefined || isEmpty) return `${text}.`;
  const link = hasParts ? ';' : ', and';
  return `${text}${link} ${behind} ${isOne ? 'waits' : 'wait'} behind ${open === 1 ? 'it' : 'them'}.`;
}

/** How many of the open ones nobody has fixed yet; undefined where that is not known. */
export function toRepair({ deadLetters, dealtWith }: Pick<Letters, 'deadLetters' | 'dealtWith'>) {
  const open = deadLetters.reduce((sum, each) => sum + each.open, 0);
  if (open === 0) return 0;
  const dealt = seenOf(dealtWith);
  if (dealt === null || dealt.read < open) return undefined;
  return open - dealtOf(dealt);
}

/** null where nothing is known of them. */
export const seenOf = (dealt: Letters['dealtWith']): DealtWith | null =>
  dealt === null || 'code' in dealt ? null : dealt;

const dealtOf = ({ release, resubmit, underWay }: DealtWith): number => release + resubmit + underWay;

type Refused = { readonly text: string; readonly hasParts: boolean };

/** What is true now: an event that is fixed was refused, and is not what somebody has to repair. */
function refusedText(open: number, deadLetters: Letters['deadLetters'], dealt: DealtWith | null): Refused {
  const refused = `${counted(open, 'event is', 'events are')} refused (${codesText(deadLetters)})`;
  if (dealt === null || dealtOf(dealt) === 0) return { text: refused, hasParts: false };
  const { release, resubmit, underWay, read } = dealt;
  const isAll = toRepair({ deadLetters, dealtWith: dealt }) === 0;
  if (isAll && underWay === open)
    return {
      text: `${counted(open, 'refused event is', 'refused events are')} being released`,
      hasParts: false,
    };
  if (isAll && (release === open || resubmit === open)) {
    const waits = `${open === 1 ? 'waits' : 'wait'} to be ${release > 0 ? 'released' : 'resubmitted'}`;
    return { text: `${counted(open, 'event is', 'events are')} fixed and ${waits}`, hasParts: false };
  }
  const least = read < open ? 'at least ' : '';
  const waiting = (many: number, until: string) =>
    many === 0
      ? []
      : [`${least}${count(many)} ${many === 1 ? 'is fixed and waits' : 'are fixed and wait'} to be ${until}`];
  const parts = [
    ...waiting(release, 'released'),
    ...waiting(resubmit, 'resubmitted'),
    ...(underWay === 0 ? [] : [`${least}${count(underWay)} ${underWay === 1 ? 'is' : 'are'} being released`]),
  ].join(', ');
  const text = isAll
    ? `${counted(open, 'event was', 'events were')} refused: ${parts}`
    : `${refused}, of which ${parts}`;
  return { text, hasParts: true };
}

/** The worst by name. */
function codesText(deadLetters: Letters['deadLetters']): string {
  const [first, second, ...more] = deadLetters;
  if (second === undefined) return first?.code ?? '';
  const parts = [first!, second].map(({ code, open }) => `${count(open)} ${code}`);
  return more.length === 0
    ? parts.join(', ')
    : `${parts.join(', ')} and ${counted(more.length, 'other code')}`;
}

/** Less than a night and a day: whoever reads it may have to act before the next one looks. */
const nearSeconds = 24 * 3_600;

/** How long a person has until something is lost while nothing is published, and where that is not known. */
export function slotSafe({ slot }: Pick<StatusFacts, 'slot'>): string {
  if (slot.state === 'absent' || slot.state === 'unusable') return '';
  if (slot.walStatus === 'unreserved' || slot.walStatus === 'lost')
    return 'The slot can be lost at the next checkpoint.';
  const { untilLimitSeconds, untilDiskSeconds } = slot;
  const least = leastOf(slot);
  if (least !== Number.POSITIVE_INFINITY) {
    const what = least === untilLimitSeconds ? 'Slot safe' : 'Room on the disk of Postgres';
    return `${what} for ${describeSeconds(least)} if nothing is published.`;
  }
  if (untilLimitSeconds === 'never' && untilDiskSeconds === 'never') return 'Nothing is written to the WAL.';
  if (untilLimitSeconds === 'never')
    return 'Postgres keeps all WAL for the slot; when its disk is full is not known (slot.walDiskBytes).';
  return 'How long the slot is safe is not known yet.';
}

/** While events flow it matters only where little is left; the lines of the slot say the rest. */
export function slotSafeWhileFlowing({ slot }: Pick<StatusFacts, 'slot'>): string {
  if (slot.state === 'absent' || slot.state === 'unusable') return '';
  const isSafe = slot.walStatus !== 'unreserved' && slot.walStatus !== 'lost';
  return isSafe && leastOf(slot) >= nearSeconds ? '' : slotSafe({ slot });
}

type Left = { readonly untilLimitSeconds: SecondsLeft; readonly untilDiskSeconds: SecondsLeft };

/** Infinite where none is known, too. */
const leastOf = ({ untilLimitSeconds, untilDiskSeconds }: Left): number =>
  Math.min(...[untilLimitSeconds, untilDiskSeconds].filter((value) => typeof value === 'number'));
