/** An event for the tests of `recover`. */
import type { AbsentEvent } from '../../../relay/recover/gap.ts';

export function absentEvent(given: Partial<AbsentEvent> = {}): AbsentEvent {
  return {
    id: 'e',
    relation: '1',
    place: '(0,1)',
    xid: '700',
    wholeXid: 700n,
    committedUs: null,
    createdUs: 1_000n,
    topic: 't',
    key: 'k',
    ...given,
  };
}
