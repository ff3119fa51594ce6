import { describe, expect, test } from 'vitest';
import { type Policy, policies } from '../../../relay/config/policy-names.ts';
import { keyLengthMax } from '../../../relay/config/row-size.ts';
import { outcomeOf } from '../../../relay/refusals/outcome.ts';
import { bad, refusalOf, unreadable } from './refused.ts';

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
    expect(outcomeOf(refusalOf(events[kind]), policy)).toEqual(outcomes[kind][policy]);
  });
});

test.each(policies)('an event of a topic that is set aside parks its key under the policy %s', (policy) => {
  const event = { ...refusalOf(bad('a')), code: 'TOPIC_PAUSED' } as const;
  expect(outcomeOf(event, policy)).toEqual(parked('a'));
});

test('a policy that nobody handles is an error, not a dead letter', () => {
  expect(() => outcomeOf(refusalOf(bad('a')), 'drop' as Policy)).toThrow('not handled: "drop"');
});
