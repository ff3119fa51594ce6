import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AbsentEvents, SlotList } from '../../../relay/recover/absent-events.ts';
import { type AbsentEvent, compareOrder } from '../../../relay/recover/gap.ts';

const time = fc.option(fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }));

const events: fc.Arbitrary<AbsentEvent> = fc.record({
  id: fc.oneof(fc.uuid(), fc.string({ minLength: 1 })),
  relation: fc.constantFrom('16384', '16390', '4294967295'),
  place: fc.tuple(fc.nat(2 ** 32 - 1), fc.nat(65_535)).map(([page, line]) => `(${page},${line})`),
  xid: fc.nat(2 ** 32 - 1).map(String),
  wholeXid: fc.bigInt({ min: 0n, max: 2n ** 63n }),
  xidAge: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  command: fc.nat(2 ** 32 - 1),
  committedUs: time,
  createdUs: time,
  topic: fc.constantFrom('a', 'b', undefined),
  key: fc.option(fc.string()),
});

const lists = fc.uniqueArray(events, { selector: ({ id }) => id, maxLength: 50 });

const storeOf = (all: readonly AbsentEvent[]) => {
  const store = new AbsentEvents();
  const slots = new SlotList();
  for (const [slot, event] of all.entries()) {
    expect(store.find(event.id)).toBeUndefined();
    store.add(event);
    slots.push(slot);
  }
  return { store, slots: slots.slots };
};

test('an event comes back as it was, found by its id', () => {
  fc.assert(
    fc.property(lists, (all) => {
      const { store, slots } = storeOf(all);
      expect(store.size).toBe(all.length);
      expect([...store.list(slots)]).toEqual(all);
      expect(store.list(slots).slice(1, 3)).toEqual(all.slice(1, 3));
      for (const [slot, { id, xidAge }] of all.entries()) {
        expect(store.find(id)).toBe(slot);
        expect(store.xidAge(slot)).toBe(xidAge);
      }
    }),
  );
});

test('the order is that of the events themselves', () => {
  const near = events.map((event) => ({
    ...event,
    committedUs: event.committedUs && event.committedUs % 3n,
    createdUs: event.createdUs && event.createdUs % 3n,
    command: event.command % 3,
    xidAge: Math.abs(event.xidAge % 3),
  }));
  fc.assert(
    fc.property(fc.uniqueArray(near, { selector: ({ id }) => id, maxLength: 50 }), (all) => {
      const { store, slots } = storeOf(all);
      expect([...store.list(store.sorted(slots))]).toEqual(all.toSorted(compareOrder));
    }),
  );
});

test('another row takes the place of an event, and more events than fit at first', () => {
  const store = new AbsentEvents();
  const [first] = fc.sample(events, 1) as [AbsentEvent];
  for (let n = 0; n < 5_000; n++) store.add({ ...first, id: `event ${n}`, command: n });
  const other = { ...first, id: 'event 4000', key: 'other', place: '(7,8)', command: 9 };
  store.replace(store.find('event 4000')!, other);
  expect(store.at(4_000)).toEqual(other);
  expect(store.at(4_001).command).toBe(4_001);
});
