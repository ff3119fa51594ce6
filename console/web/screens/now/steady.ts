/** The order in which relays are shown. Pure. The server has those first that it heard of last, so that they would change places all the time. */
import type { KnownRelay } from '../../../../relay/operations/relays.ts';

type Ranked = Pick<KnownRelay, 'instance' | 'isGone' | 'state'>;

/** Who streams first, who is gone last, and by name among those alike. */
export function steady<Relay extends Ranked>(relays: readonly Relay[]): Relay[] {
  return relays.toSorted(
    (left, right) => rankOf(left) - rankOf(right) || (left.instance < right.instance ? -1 : 1),
  );
}

const rankOf = ({ isGone, state }: Ranked): number => (isGone ? 2 : state === 'streaming' ? 0 : 1);
