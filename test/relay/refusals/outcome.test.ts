import { describe, expect, test } from 'vitest';
import { type Policy, policies } from '../../../relay/config/policy-names.ts';
import { keyLengthMax } from '../../../relay/config/row-size.ts';
import { outcomeOf, passesOnRelease } from '../../../relay/refusals/outcome.ts';
import { bad, type Event, refusalOf, unreadable } from './refused.ts';

const events = {
  'of a key': bad('a'),
  'of an empty key': bad(''),
  'without a key': bad(null),
  'without a topic': bad('a', { topic: null }),
  'of a key that is too long': bad('k'.repeat(keyLengthMax + 1)),
  'that Postgres cannot send': bad('a', { row: { unreadable } }),
  'that Postgres cannot send, without a key': bad(null, { row: { unreadable } }),
};

const parked = (key: string) => ({ kind: 'park', key: { topic: 'orders', key } });
const deadLetter = { kind: 'dead-letter' };
const halt = { kind: 'halt' };

const outcomes: Record<keyof typeof events, Record<Policy, object>> = {
  'of a key': { 'dead-letter': deadLetter, 'park-key': parked('a'), halt },
  'of an empty key': { 'dead-letter': deadLetter, 'park-key': parked(''), halt },
  'without a key': { 'dead-letter': deadLetter, 'park-key': deadLetter, halt },
  'without a topic': { 'dead-letter': deadLetter, 'park-key': deadLetter, halt },
  'of a key that is too long': { 'dead-letter': deadLetter, 'park-key': deadLetter, halt },
  'that Postgres cannot send': { 'dead-letter': deadLetter, 'park-key': parked('a'), halt: deadLetter },
  'that Postgres cannot send, without a key': {
    'dead-letter': deadLetter,
    'park-key': deadLetter,
    halt: deadLetter,
  },
};

describe.each(policies)('under the policy %s', (policy) => {
  test.each(Object.keys(events) as (keyof typeof events)[])('a refused event %s', (kind) => {
    expect(outcomeOf(refusalOf(events[kind]), policy, false)).toEqual(outcomes[kind][policy]);
  });
});

describe.each(policies)('of a topic that is set aside, under the policy %s', (policy) => {
  const waiting = { ...refusalOf(bad('a')), code: 'TOPIC_PAUSED' } as const;
  test.each([
    ['that only waits', waiting],
    ['that is refused', refusalOf(bad('a'))],
    ['that Postgres cannot send', refusalOf(bad('a', { row: { unreadable } }))],
  ])('an event %s parks its key', (_, event) => {
    expect(outcomeOf(event, policy, true)).toEqual(parked('a'));
  });

  test('one that has no order to keep is up to the policy', () => {
    for (const event of [bad(null), bad('k'.repeat(keyLengthMax + 1))])
      expect(outcomeOf(refusalOf(event), policy, true)).toEqual(policy === 'halt' ? halt : deadLetter);
  });
});

test('a release passes what is refused again under dead-letter only, and what nobody can ever publish under halt', () => {
  const passedUnder = (event: Event) =>
    policies.filter((policy) => passesOnRelease(refusalOf(event), policy));
  expect(passedUnder(bad('a'))).toEqual(['dead-letter']);
  expect(passedUnder(bad('a', { row: { unreadable } }))).toEqual(['dead-letter', 'halt']);
});

test('a policy that nobody handles is an error, not a dead letter', () => {
  expect(() => outcomeOf(refusalOf(bad('a')), 'drop' as Policy, false)).toThrow('not handled: "drop"');
});
