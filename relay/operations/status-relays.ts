/**
 * Which relay streams, and which that have ended matter still. A relay that ends because it was asked to leaves no trace.
 * One that died, or stopped itself, is history once another one has started in its place, and a concern until then. Pure.
 */
import type { KnownRelay } from '../ledger/relays.ts';
import type { StatusFacts } from './status.ts';

export const hasEnded = ({ isGone, state }: KnownRelay): boolean => isGone || state === 'stopped';

/**
 * A slot has one reader. Of those that say that they stream, only one that said so since the reader came can be it; after
 * the death of one relay that is the one that was seen last.
 * @param relays in the order of `readRelays`
 */
export function streamerOf({ relays, slot }: Pick<StatusFacts, 'relays' | 'slot'>): KnownRelay | undefined {
  if (slot.state !== 'active') return undefined;
  const { readSince } = slot;
  return relays.find(
    ({ state, isGone, seenAt }) =>
      state === 'streaming' && !isGone && (readSince === null || Date.parse(seenAt) >= Date.parse(readSince)),
  );
}

const endOf = ({ state, stateSince, seenAt }: KnownRelay): number =>
  Date.parse(state === 'stopped' ? stateSince : seenAt);

/**
 * Those that have ended while others ran that are known still, and those that run now. One that ended because it was asked
 * to is not known any more: that fewer run since then is what a person wanted.
 */
export function ranWith(relay: KnownRelay, relays: readonly KnownRelay[]): { before: number; now: number } {
  const endMs = endOf(relay);
  const beside = relays.filter(
    (each) =>
      each !== relay && Date.parse(each.startedAt) < endMs && (!hasEnded(each) || endOf(each) >= endMs),
  );
  return { before: beside.length + 1, now: relays.filter((each) => !hasEnded(each)).length };
}

/**
 * Those that have ended, and for which no other one has started since: each start replaces one. Since each of them fewer
 * run than before, as `ranWith` counts.
 */
export function unreplaced(relays: readonly KnownRelay[]): readonly KnownRelay[] {
  const ended = relays.filter(hasEnded).toSorted((a, b) => endOf(b) - endOf(a));
  const starts = relays.map(({ startedAt }) => Date.parse(startedAt));
  let used = 0;
  return ended.filter((relay) => {
    // Whoever started after a later end started after this one too, so those that are used up count among these.
    if (starts.filter((startMs) => startMs >= endOf(relay)).length <= used) return true;
    used += 1;
    return false;
  });
}
