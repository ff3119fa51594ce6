import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventsOf, type OutboxEvent, type OutboxEvents } from '../../../relay/capture/event.ts';
import type { OutboxRow } from '../../../relay/capture/transaction.ts';
import type { Policy } from '../../../relay/config/policies.ts';
import type { EncodedEvent, Refusal } from '../../../relay/encode/record.ts';
import { Parking, policyByTopic } from '../../../relay/refusals/parking.ts';
import { blankRow, rowsFrom, transactionOf } from '../capture/rows.ts';
import { recordOf } from '../publish/records.ts';

type Event = { readonly key: string | null; readonly isGood: boolean; readonly topic?: string };

const rowOf = ({ key }: Event): OutboxRow => ({ ...blankRow, aggregateid: key });

/** As the encoder would leave them. */
const encode = (captured: OutboxEvents, events: readonly Event[]): EncodedEvent[] =>
  events.map(({ key, isGood, topic = 'orders' }, index) => {
    const event = captured.at(index)!;
    const { commitLsn, ordinal } = event.position;
    return isGood
      ? recordOf({ topic, key: key ?? '', headers: { id: `${commitLsn}.${ordinal}` } })
      : { ...event, ...refusal, topic };
  });

const refusal: Omit<Refusal, keyof OutboxEvent | 'topic'> = {
  code: 'PAYLOAD_INVALID',
  message: '',
  path: null,
  subject: null,
  schemaId: null,
};

const parkAll = (): Policy => 'park-key';

function sort(parking: Parking, commitLsn: bigint, events: readonly Event[], skip = 0, firstOrdinal = 0) {
  const rows = rowsFrom(events.map(rowOf));
  const captured = eventsOf(transactionOf(commitLsn, 0, { firstOrdinal, rows }), skip);
  const encoded = encode(captured, events.slice(skip));
  const { records, refusals, parked } = parking.sort(captured, encoded);
  return {
    published: records.map(({ headers }) => headers.id),
    setAside: refusals.map(({ position, code }) => `${position.ordinal} ${code}`),
    parked: parked.map(({ topic, key, since }) => `${topic} ${key} ${since.commitLsn}.${since.ordinal}`),
  };
}

const good = (key: string, topic?: string): Event => ({ key, isGood: true, ...(topic ? { topic } : {}) });
const bad = (key: string | null): Event => ({ key, isGood: false });

describe('after a refused event', () => {
  test('the later events of its key wait, in its transaction and after it, and those of others flow', () => {
    const parking = new Parking([], parkAll);
    expect(sort(parking, 1n, [good('a'), bad('a'), good('b'), good('a')])).toEqual({
      published: ['1.0', '1.2'],
      setAside: ['1 PAYLOAD_INVALID', '3 KEY_PARKED'],
      parked: ['orders a 1.1'],
    });
    expect(sort(parking, 2n, [good('a'), good('b')])).toEqual({
      published: ['2.1'],
      setAside: ['0 KEY_PARKED'],
      parked: [],
    });
  });

  test('one that is refused itself keeps its own reason and does not park the key again', () => {
    const parking = new Parking([], parkAll);
    sort(parking, 1n, [bad('a')]);
    expect(sort(parking, 2n, [good('a'), bad('a')])).toEqual({
      published: [],
      setAside: ['0 KEY_PARKED', '1 PAYLOAD_INVALID'],
      parked: [],
    });
  });

  test('the same key of another topic flows', () => {
    const parking = new Parking([{ topic: 'orders', key: 'a' }], parkAll);
    expect(sort(parking, 1n, [good('a', 'payments'), good('a')]).published).toEqual(['1.0']);
  });

  test('without a key nothing waits, for it has no order', () => {
    const parking = new Parking([], parkAll);
    expect(sort(parking, 1n, [bad(null), good('')])).toMatchObject({ published: ['1.1'], parked: [] });
    expect(parking.size).toBe(0);
  });

  test('in a part of a transaction, the positions are those of the whole', () => {
    const parking = new Parking([], parkAll);
    expect(sort(parking, 1n, [good('a'), good('b'), bad('b'), good('b')], 1, 100)).toEqual({
      published: ['1.101'],
      setAside: ['102 PAYLOAD_INVALID', '103 KEY_PARKED'],
      parked: ['orders b 1.102'],
    });
  });
});

test('a key that is released flows again, and is parked again by the next refused event', () => {
  const parking = new Parking([{ topic: 'orders', key: 'a' }], parkAll);
  parking.release({ topic: 'orders', key: 'a' });
  expect(sort(parking, 1n, [good('a'), bad('a')])).toMatchObject({
    published: ['1.0'],
    parked: ['orders a 1.1'],
  });
});

test('under another policy nothing is parked, but what is parked already waits on', () => {
  const parking = new Parking([{ topic: 'orders', key: 'a' }], () => 'dead-letter');
  expect(sort(parking, 1n, [bad('b'), good('b'), good('a')])).toEqual({
    published: ['1.1'],
    setAside: ['0 PAYLOAD_INVALID', '2 KEY_PARKED'],
    parked: [],
  });
});

test('whatever comes, each event is published or set aside, and no key passes its refused event', () => {
  const event = fc.record({ key: fc.constantFrom('a', 'b', 'c', null), isGood: fc.boolean() });
  fc.assert(
    fc.property(fc.array(fc.array(event, { maxLength: 5 }), { maxLength: 8 }), (transactions) => {
      const parking = new Parking([], parkAll);
      const refused = new Set<string>();
      for (const [index, events] of transactions.entries()) {
        const { published, setAside } = sort(parking, BigInt(index), events);
        expect(published.length + setAside.length).toBe(events.length);
        for (const [ordinal, { key, isGood }] of events.entries()) {
          const mustWait = !isGood || (key !== null && refused.has(key));
          expect(published.includes(`${index}.${ordinal}`)).toBe(!mustWait);
          if (!isGood && key !== null) refused.add(key);
        }
      }
      expect(parking.size).toBe(refused.size);
    }),
  );
});

test('the policy of a topic is that of the first entry that fits, else the one for all', () => {
  const policyOf = policyByTopic({
    policy: 'halt',
    policies: ['shop.orders=dead-letter', 'shop.*=park-key', '*.log=dead-letter'],
  });
  expect(['shop.orders', 'shop.orders2', 'shop.log', 'other.log', 'other'].map(policyOf)).toEqual([
    'dead-letter',
    'park-key',
    'park-key',
    'dead-letter',
    'halt',
  ]);
  expect(policyOf(null)).toBe('halt');
});
