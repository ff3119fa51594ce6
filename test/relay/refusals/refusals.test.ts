import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Policy } from '../../../relay/config/policy-names.ts';
import { RelayError } from '../../../relay/errors.ts';
import type { TopicKey } from '../../../relay/refusals/parked-keys.ts';
import { Refusals } from '../../../relay/refusals/refusals.ts';
import { bad, captured, type Event, encode, good, refusalOf, unreadable } from './refused.ts';

const settings = {
  policy: 'park-key' as Policy,
  policies: [] as string[],
  stormPercent: 100,
  stormMinEvents: 100,
};
const refusals = (more: Partial<typeof settings> = {}, parked: readonly TopicKey[] = []) =>
  new Refusals({ ...settings, ...more }, parked);

function decide(them: Refusals, commitLsn: bigint, events: readonly Event[], skip = 0, firstOrdinal = 0) {
  const rest = captured(commitLsn, events, firstOrdinal, skip);
  const { records, deadLetters, parked } = them.decide(rest, encode(rest, events.slice(skip)), 0);
  return {
    published: records.map(({ headers }) => headers.id),
    deadLetters: deadLetters.map(({ position, code }) => `${position.ordinal} ${code}`),
    parked: parked.map(({ topic, key, since }) => `${topic} ${key} ${since.commitLsn}.${since.ordinal}`),
  };
}

/** What is decided, or the error that says that nothing is. */
function attempt(...args: Parameters<typeof decide>) {
  try {
    return decide(...args);
  } catch (error) {
    return error instanceof RelayError ? error.code : error;
  }
}

describe('after a refused event', () => {
  test('the later events of its key wait, in its transaction and after it, and those of others flow', () => {
    const them = refusals();
    expect(decide(them, 1n, [good('a'), bad('a'), good('b'), good('a')])).toEqual({
      published: ['1.0', '1.2'],
      deadLetters: ['1 PAYLOAD_INVALID', '3 KEY_PARKED'],
      parked: ['orders a 1.1'],
    });
    expect(decide(them, 2n, [good('a'), good('b')])).toEqual({
      published: ['2.1'],
      deadLetters: ['0 KEY_PARKED'],
      parked: [],
    });
  });

  test('one that is refused itself keeps its own reason and does not park the key again', () => {
    const them = refusals();
    decide(them, 1n, [bad('a')]);
    expect(decide(them, 2n, [good('a'), bad('a')])).toEqual({
      published: [],
      deadLetters: ['0 KEY_PARKED', '1 PAYLOAD_INVALID'],
      parked: [],
    });
  });

  test('the same key of another topic flows', () => {
    const them = refusals({}, [{ topic: 'orders', key: 'a' }]);
    expect(decide(them, 1n, [good('a', 'payments'), good('a')]).published).toEqual(['1.0']);
  });

  test('without a key nothing waits, for it has no order', () => {
    const them = refusals();
    expect(decide(them, 1n, [bad(null), good('')])).toMatchObject({ published: ['1.1'], parked: [] });
  });

  test('in a part of a transaction, the positions are those of the whole', () => {
    const them = refusals();
    expect(decide(them, 1n, [good('a'), good('b'), bad('b'), good('b')], 1, 100)).toEqual({
      published: ['1.101'],
      deadLetters: ['102 PAYLOAD_INVALID', '103 KEY_PARKED'],
      parked: ['orders b 1.102'],
    });
  });
});

test('a key that is released flows again, and is parked again by the next refused event', () => {
  const them = refusals({}, [{ topic: 'orders', key: 'a' }]);
  them.release({ topic: 'orders', key: 'a' });
  expect(decide(them, 1n, [good('a'), bad('a')])).toMatchObject({
    published: ['1.0'],
    parked: ['orders a 1.1'],
  });
});

test('under another policy nothing is parked, but what is parked already waits on', () => {
  const them = refusals({ policy: 'dead-letter' }, [{ topic: 'orders', key: 'a' }]);
  expect(decide(them, 1n, [bad('b'), good('b'), good('a')])).toEqual({
    published: ['1.1'],
    deadLetters: ['0 PAYLOAD_INVALID', '2 KEY_PARKED'],
    parked: [],
  });
});

test('whatever comes, each event is published or a dead letter, and no key passes its refused event', () => {
  const event = fc.record({ key: fc.constantFrom('a', 'b', 'c', null), isGood: fc.boolean() });
  fc.assert(
    fc.property(fc.array(fc.array(event, { maxLength: 5 }), { maxLength: 8 }), (transactions) => {
      const them = refusals();
      const refused = new Set<string>();
      for (const [index, events] of transactions.entries()) {
        const { published, deadLetters } = decide(them, BigInt(index), events);
        expect(published.length + deadLetters.length).toBe(events.length);
        for (const [ordinal, { key, isGood }] of events.entries()) {
          const mustWait = !isGood || (key !== null && refused.has(key));
          expect(published.includes(`${index}.${ordinal}`)).toBe(!mustWait);
          if (!isGood && key !== null) refused.add(key);
        }
      }
    }),
  );
});

describe('what becomes of a good event and a refused one of its key before another good one', () => {
  const flows = { published: ['1.0', '1.2'], deadLetters: ['1 PAYLOAD_INVALID'], parked: [] };
  const behind = ['1 PAYLOAD_INVALID', '2 KEY_PARKED'];
  const parks = { published: ['1.0'], deadLetters: behind, parked: ['orders a 1.1'] };
  const waits = { published: [], deadLetters: ['0 KEY_PARKED', ...behind], parked: [] };
  const alreadyParked: readonly TopicKey[] = [{ topic: 'orders', key: 'a' }];
  const whole = { skip: 0, stormPercent: 100 };
  const storm = { skip: 0, stormPercent: 10 };

  /** Without its first event, which is published already. */
  const part = { skip: 1, stormPercent: 100 };
  const withoutFirst = ({ published, deadLetters, parked }: ReturnType<typeof decide>) => ({
    published: published.filter((id) => id !== '1.0'),
    deadLetters: deadLetters.filter((letter) => !letter.startsWith('0')),
    parked,
  });
  const ofPart = { flows: withoutFirst(flows), parks: withoutFirst(parks), waits: withoutFirst(waits) };

  test.each([
    ['dead-letter', 'flows', [], whole, flows],
    ['dead-letter', 'is parked', alreadyParked, whole, waits],
    ['dead-letter', 'flows', [], part, ofPart.flows],
    ['dead-letter', 'is parked', alreadyParked, part, ofPart.waits],
    ['dead-letter', 'flows', [], storm, 'DEAD_LETTER_STORM'],
    ['dead-letter', 'is parked', alreadyParked, storm, 'DEAD_LETTER_STORM'],
    ['park-key', 'flows', [], whole, parks],
    ['park-key', 'is parked', alreadyParked, whole, waits],
    ['park-key', 'flows', [], part, ofPart.parks],
    ['park-key', 'is parked', alreadyParked, part, ofPart.waits],
    ['park-key', 'flows', [], storm, 'DEAD_LETTER_STORM'],
    ['park-key', 'is parked', alreadyParked, storm, 'DEAD_LETTER_STORM'],
    ['halt', 'flows', [], whole, 'EVENT_REJECTED'],
    ['halt', 'is parked', alreadyParked, whole, 'EVENT_REJECTED'],
    ['halt', 'flows', [], part, 'EVENT_REJECTED'],
    ['halt', 'is parked', alreadyParked, part, 'EVENT_REJECTED'],
    ['halt', 'flows', [], storm, 'EVENT_REJECTED'],
    ['halt', 'is parked', alreadyParked, storm, 'EVENT_REJECTED'],
  ] as const)('under %s, where the key %s, %#', (policy, _, parked, { skip, stormPercent }, expected) => {
    const them = refusals({ policy, stormPercent, stormMinEvents: 1 }, parked);
    expect(attempt(them, 1n, [good('a'), bad('a'), good('a')], skip)).toEqual(expected);
  });
});

describe('an event that halts', () => {
  const policies = ['strict=halt'];

  test('is named, with its position and the place in its payload, and no value of it', () => {
    const row = { id: 'order-1', payload: '{"total":"canary"}' };
    const halting = () => decide(refusals({ policy: 'halt' }), 0x10n, [good('a'), bad('a', { row })], 0, 7);
    expect(halting).toThrow(
      'event order-1 at 0000000000000010.00000008 was refused: PAYLOAD_INVALID at $.total: expected long, found string',
    );
    expect(halting).toThrow(
      expect.objectContaining({
        context: { commitLsn: '0/10', ordinal: 8, code: 'PAYLOAD_INVALID', path: '$.total' },
      }),
    );
  });

  test('parks no key of its transaction: the next session decides about all of it', () => {
    const them = refusals({ policies });
    expect(attempt(them, 1n, [bad('a'), bad('b', { topic: 'strict' })])).toBe('EVENT_REJECTED');
    expect(decide(them, 2n, [good('a')]).published).toEqual(['2.0']);
  });

  test('does not halt where its row cannot be sent: a person has decided about that', () => {
    const row = { unreadable };
    expect(decide(refusals({ policy: 'halt' }), 1n, [bad('a', { row }), good('a')])).toEqual({
      published: ['1.1'],
      deadLetters: ['0 EVENT_UNREADABLE'],
      parked: [],
    });
  });
});

describe('a storm', () => {
  const guarded = (more: Partial<typeof settings> = {}) =>
    refusals({ policy: 'dead-letter', stormPercent: 50, stormMinEvents: 4, ...more });

  test('counts over transactions, and names its share and the last reason', () => {
    const them = guarded();
    decide(them, 1n, [good('a'), bad('a')]);
    const stormy = () => decide(them, 2n, [bad('a'), bad('b')]);
    expect(stormy).toThrow('3 of the last 4 events were refused, the last one for PAYLOAD_INVALID');
  });

  test('carries its numbers', () => {
    expect(() => decide(guarded(), 1n, [bad('a'), bad('a'), bad('a'), good('a')])).toThrow(
      expect.objectContaining({ context: { events: 4, refused: 3 } }),
    );
  });

  test('is none of rows that cannot be sent: they say nothing about the deployment', () => {
    const row = { unreadable };
    const rows = [1, 2, 3, 4].map(() => bad('a', { row }));
    expect(decide(guarded(), 1n, rows).deadLetters).toHaveLength(4);
  });

  test('is none of events that only wait', () => {
    const them = refusals({ stormPercent: 50, stormMinEvents: 4 }, [{ topic: 'orders', key: 'a' }]);
    expect(
      decide(
        them,
        1n,
        [1, 2, 3, 4].map(() => good('a')),
      ).deadLetters,
    ).toHaveLength(4);
  });
});

describe('while a topic is set aside', () => {
  const aside = new Set<string>();
  const asides = {
    get setsAside() {
      return aside.size > 0;
    },
    isSetAside: (topic: string) => aside.has(topic),
  };
  const them = (policy: Policy, more: Partial<typeof settings> = {}) =>
    new Refusals({ ...settings, policy, ...more }, [], asides);

  test.each(['dead-letter', 'park-key', 'halt'] as const)(
    'its events wait by key under the policy %s, and those of other topics flow',
    (policy) => {
      aside.add('orders');
      const refusals = them(policy);
      expect(decide(refusals, 1n, [good('a'), good('a', 'items'), good('b'), good('a')])).toEqual({
        published: ['1.1'],
        deadLetters: ['0 TOPIC_PAUSED', '2 TOPIC_PAUSED', '3 KEY_PARKED'],
        parked: ['orders a 1.0', 'orders b 1.2'],
      });
      expect(refusals.parkedKeys).toBe(2);
      aside.clear();
      // Resumed: a key that waits goes on waiting until it is released, and another one is published.
      expect(decide(refusals, 2n, [good('a'), good('c')])).toEqual({
        published: ['2.1'],
        deadLetters: ['0 KEY_PARKED'],
        parked: [],
      });
      refusals.release({ topic: 'orders', key: 'a' });
      expect(decide(refusals, 3n, [good('a')]).published).toEqual(['3.0']);
    },
  );

  test('however many are set aside, that is no storm', () => {
    aside.add('orders');
    const refusals = new Refusals({ ...settings, stormPercent: 1, stormMinEvents: 1 }, [], asides);
    const many = Array.from({ length: 500 }, (_, n) => good(`k${n}`));
    expect(decide(refusals, 1n, many).deadLetters).toHaveLength(500);
    aside.clear();
  });

  test.each(['dead-letter', 'park-key', 'halt'] as const)(
    'a refused event of it keeps its place before the good ones of its key under the policy %s',
    (policy) => {
      aside.add('orders');
      const refusals = them(policy);
      expect(decide(refusals, 1n, [bad('a'), good('a'), good('a', 'items')])).toEqual({
        published: ['1.2'],
        deadLetters: ['0 PAYLOAD_INVALID', '1 KEY_PARKED'],
        parked: ['orders a 1.0'],
      });
      aside.clear();
      // The topic is resumed: the key waits until the relay has released it, refused events of it too.
      expect(decide(refusals, 2n, [good('a')])).toMatchObject({ deadLetters: ['0 KEY_PARKED'] });
      refusals.release({ topic: 'orders', key: 'a' });
      expect(decide(refusals, 3n, [good('a')]).published).toEqual(['3.0']);
    },
  );

  test('the same key of another topic is up to the policy', () => {
    aside.add('orders');
    expect(
      decide(them('dead-letter'), 1n, [bad('a'), bad('a', { topic: 'items' }), good('a', 'items')]),
    ).toEqual({
      published: ['1.2'],
      deadLetters: ['0 PAYLOAD_INVALID', '1 PAYLOAD_INVALID'],
      parked: ['orders a 1.0'],
    });
    aside.clear();
  });

  test('a refused event of it is no storm, and one of another topic is', () => {
    aside.add('orders');
    const many = (topic: string) => Array.from({ length: 10 }, (_, n) => bad(`k${n}`, { topic }));
    const refusals = them('dead-letter', { stormPercent: 50, stormMinEvents: 1 });
    expect(decide(refusals, 1n, many('orders')).deadLetters).toHaveLength(10);
    expect(attempt(refusals, 2n, [...many('items'), bad('k', { topic: 'items' })])).toBe('DEAD_LETTER_STORM');
    aside.clear();
  });

  test('a key that waits because of it is marked so, also behind a refused event, and one of another topic is not', () => {
    aside.add('orders');
    const events = [good('a'), bad('b'), bad('c', { topic: 'items' })];
    const rest = captured(1n, events);
    const { parked } = them('park-key').decide(rest, encode(rest, events), 0);
    expect(parked.map(({ key, isPaused }) => [key, isPaused])).toEqual([
      ['a', true],
      ['b', true],
      ['c', false],
    ]);
    aside.clear();
  });
});

describe('a release', () => {
  const refused = refusalOf(bad('a'));

  test('follows the policy of the topic, as it is now', () => {
    const changing = { ...settings, policies: ['strict=park-key'], policy: 'dead-letter' as Policy };
    const them = new Refusals(changing, []);
    const passed = (topic: string) => them.passes(refusalOf(bad('a', { topic })));
    expect([passed('orders'), passed('strict')]).toEqual([true, false]);
    changing.policies = ['orders=halt'];
    expect([passed('orders'), passed('strict')]).toEqual([false, true]);
  });

  test('that would make dead letters of most of what waits is a storm', () => {
    const them = refusals({ stormPercent: 50, stormMinEvents: 4 });
    them.assertNoStorm(4, [refused, refused], 0);
    expect(() => them.assertNoStorm(2, [refused, refused], 0)).toThrow('4 of the last 6 events were refused');
  });
});
