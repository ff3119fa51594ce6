import { expect, test } from 'vitest';
import type { AbsentEvent } from '../../../relay/recover/gap.ts';
import { Upcoming } from '../../../relay/recover/upcoming.ts';
import { absentEvent as event } from './absent-event.ts';

const events = [
  event({ id: 'a', xid: '1', committedUs: 5n }),
  event({ id: 'b', xid: '2', committedUs: 5n }),
  event({ id: 'c', xid: '3', committedUs: 6n }),
  event({ id: 'd', xid: '4' }),
  event({ id: 'e', xid: '4' }),
];

async function* paged(size: number): AsyncGenerator<AbsentEvent[]> {
  for (let from = 0; from < events.length; from += size) yield events.slice(from, from + size);
}

const transactions = async (pageSize: number, most: number) => {
  const upcoming = new Upcoming(paged(pageSize));
  const found: string[] = [];
  for (;;) {
    const size = await upcoming.ofOneTransaction(most);
    if (size === 0) return found;
    expect((await upcoming.first(2)).length).toBeLessThanOrEqual(2);
    found.push(
      upcoming
        .take(size)
        .map(({ id }) => id)
        .join(''),
    );
  }
};

test('neighbours of one transaction are published together, wherever a page ends', async () => {
  for (const pageSize of [1, 2, 3, 5, 9]) {
    expect(await transactions(pageSize, 10)).toEqual(['ab', 'c', 'de']);
    expect(await transactions(pageSize, 1)).toEqual(['a', 'b', 'c', 'd', 'e']);
  }
});

test('no more pages are read than it takes', async () => {
  let pages = 0;
  async function* counted() {
    for await (const page of paged(1)) {
      pages += 1;
      yield page;
    }
  }
  const upcoming = new Upcoming(counted());
  expect(await upcoming.ofOneTransaction(1)).toBe(1);
  expect(pages).toBe(1);
  expect((await upcoming.first(9)).map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(await new Upcoming(paged(1)).ofOneTransaction(0)).toBe(0);
});
