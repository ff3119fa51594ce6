import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AbsentEvent } from '../../../relay/recover/gap.ts';
import { UncertainKeys } from '../../../relay/recover/order.ts';
import { absentEvent } from './absent-event.ts';

const countUncertain = (events: readonly AbsentEvent[]) => {
  const keys = new UncertainKeys();
  for (const event of events) keys.add(event);
  return keys.count;
};

test('a key is uncertain where several transactions wrote it and their commits are not known', () => {
  const of = (key: string, xid: string, committedUs: bigint | null = null) =>
    absentEvent({ key, xid, committedUs });
  expect(countUncertain([of('a', '1'), of('a', '1'), of('b', '2')])).toBe(0);
  expect(countUncertain([of('a', '1'), of('a', '2'), of('b', '2')])).toBe(1);
  expect(countUncertain([of('a', '1', 5n), of('a', '2', 6n)])).toBe(0);
  expect(countUncertain([of('a', '1', 5n), of('a', '2')])).toBe(1);
});

test('the count is that of a look at all events of each key, whatever order they come in', () => {
  const some = fc.array(
    fc.record({
      key: fc.constantFrom('a', 'b', null),
      topic: fc.constantFrom('t', undefined),
      xid: fc.constantFrom('3', '4', '5'),
      committedUs: fc.constantFrom(null, 1n, 2n),
    }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(some, (given) => {
      const events = given.map(absentEvent);
      const byKey = Object.values(Object.groupBy(events, ({ topic, key }) => `${topic} ${key}`));
      const uncertain = byKey.filter(
        (all = []) =>
          new Set(all.map(({ xid }) => xid)).size > 1 && all.some(({ committedUs }) => committedUs === null),
      );
      expect(countUncertain(events)).toBe(uncertain.length);
    }),
  );
});
