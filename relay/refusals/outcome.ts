/** Owns what each policy does with a refused event. A new policy is a case here, and the compiler asks for it. Pure. */
import type { Policy } from '../config/policy-names.ts';
import { keyLengthMax } from '../config/row-size.ts';
import type { Refusal } from '../encode/record.ts';
import type { TopicKey } from './parked-keys.ts';

export type Outcome =
  /** It becomes a dead letter, and later events of its key are published. */
  | { readonly kind: 'dead-letter' }
  /** It becomes a dead letter, and later events of its key wait behind it. */
  | { readonly kind: 'park'; readonly key: TopicKey }
  /** The relay stops, and publishes nothing of the transaction. */
  | { readonly kind: 'halt' };

/**
 * While its topic is set aside, an event that has an order to keep waits under every policy, and with it the later ones of
 * its key: whoever repairs it before the topic is resumed finds it in its place.
 */
export function outcomeOf(refusal: Refusal, policy: Policy, isSetAside: boolean): Outcome {
  if (isSetAside) {
    const parked = parkOf(refusal);
    if (parked.kind === 'park') return parked;
  }
  switch (policy) {
    case 'dead-letter':
      return { kind: 'dead-letter' };
    case 'park-key':
      return parkOf(refusal);
    case 'halt':
      // About a row that Postgres cannot send a person has decided, with `recover --skip-unreadable`.
      return { kind: refusal.row.unreadable === undefined ? 'halt' : 'dead-letter' };
    default:
      return assertNever(policy);
  }
}

/**
 * Whether a release goes on behind an event that is refused again. It becomes an ordinary dead letter then. Otherwise its key
 * stays parked, also under `halt`: a relay that stops at a release would leave nobody a way to repair the event.
 */
export function passesOnRelease(refusal: Refusal, policy: Policy): boolean {
  return outcomeOf(refusal, policy, false).kind === 'dead-letter';
}

/**
 * Only events of one topic and key have an order to keep. Of a key that is too long every event is refused, so that none
 * has to wait for another.
 */
function parkOf({ topic, row: { aggregateid: key } }: Refusal): Outcome {
  if (topic === null || key === null || key.length > keyLengthMax) return { kind: 'dead-letter' };
  return { kind: 'park', key: { topic, key } };
}

export function assertNever(value: never): never {
  throw new TypeError(`not handled: ${JSON.stringify(value)}`);
}
