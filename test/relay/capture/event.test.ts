import { expect, test, vi } from 'vitest';
import { eventsOf } from '../../../relay/capture/event.ts';
import { blankRow, rowsFrom, transactionOf } from './rows.ts';

const rowsNamed = (...ids: string[]) => rowsFrom(ids.map((id) => ({ ...blankRow, id })));

const listed = (...[transaction, skip]: Parameters<typeof eventsOf>) => {
  const events = eventsOf(transaction, skip);
  return Array.from({ length: events.length }, (_, index) => events.at(index)!).map(
    ({ position, row }) => `${position.commitLsn}.${position.ordinal} ${row.id}`,
  );
};

test('the events of a transaction have its rows, its time, and positions that count from 0', () => {
  const transaction = transactionOf(7n, 0, { rows: rowsNamed('a', 'b'), committedAtMs: 5 });
  expect(listed(transaction, 0)).toEqual(['7.0 a', '7.1 b']);
  expect(eventsOf(transaction, 0).at(1)?.committedAtMs).toBe(5);
});

test('a part of a transaction counts on, and what is skipped keeps its ordinals', () => {
  const part = transactionOf(7n, 0, { rows: rowsNamed('a', 'b', 'c'), firstOrdinal: 65_534 });
  expect(listed(part, 0)).toEqual(['7.65534 a', '7.65535 b', '7.65536 c']);
  expect(listed(part, 2)).toEqual(['7.65536 c']);
  expect(listed(part, 3)).toEqual([]);
  expect(listed(part, 4)).toEqual([]);
});

test('a row is decoded when its event is asked for, and no other', () => {
  const at = vi.fn(() => blankRow);
  const events = eventsOf(transactionOf(7n, 0, { rows: { length: 3, at, giveUp: () => {} } }), 1);
  expect(at).not.toHaveBeenCalled();
  events.at(1);
  expect(at.mock.calls).toEqual([[2]]);
});
