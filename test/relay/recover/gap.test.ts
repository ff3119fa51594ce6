import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AbsentEvent,
  countUncertainKeys,
  judge,
  type Kept,
  order,
  transactionsOf,
} from '../../../relay/recover/gap.ts';

const hourMs = 3_600_000;
const nowMs = Date.UTC(2026, 0, 10);

function event(given: Partial<AbsentEvent> & { atMs?: number } = {}): AbsentEvent {
  const { atMs = nowMs, ...rest } = given;
  return {
    id: 'e',
    relation: '1',
    place: '(0,1)',
    xid: '700',
    xidAge: 5,
    command: 0,
    committedUs: null,
    createdUs: BigInt(atMs) * 1000n,
    topic: 't',
    key: 'k',
    ...rest,
  };
}

const us = (ms: number) => BigInt(ms) * 1000n;

describe('an event that is in the table and not in Kafka', () => {
  const kept: Kept = {
    fromMs: new Map([
      ['trimmed', nowMs - 24 * hourMs],
      ['emptied', Number.POSITIVE_INFINITY],
    ]),
    lastMs: nowMs - hourMs,
    progressMs: nowMs - hourMs / 2,
    firstStartMs: nowMs - 1000 * hourMs,
  };

  test.each([
    ['is missing where Kafka has removed nothing', 't', -100, 'missing'],
    ['is missing where it goes to no topic: a dead letter of it would be there', undefined, -100, 'missing'],
    ['is left alone where it was written before the relay first began', 't', -1001, 'before'],
    ['has expired where it is older than what is left of its topic', 'trimmed', -25, 'expired'],
    ['is missing where it is younger than what is left of its topic', 'trimmed', -23, 'missing'],
    ['has expired where its topic is empty, and others have later events', 'emptied', -2, 'expired'],
    [
      'cannot be judged where its topic is empty and the last event hardly later',
      'emptied',
      -1.1,
      'unjudged',
    ],
    ['is missing where it is later than all that was published', 'emptied', -0.9, 'missing'],
  ])('%s', (_, topic, hours, judgement) => {
    expect(judge(event({ topic, atMs: nowMs + Number(hours) * hourMs }), kept)).toBe(judgement);
  });

  test('is judged more closely by the time of its commit', () => {
    const atMs = nowMs - 1.1 * hourMs;
    expect(judge(event({ topic: 'emptied', atMs, committedUs: us(atMs) }), kept)).toBe('expired');
  });

  test('without any time cannot be judged where Kafka has removed something', () => {
    expect(judge(event({ topic: 'trimmed', createdUs: null }), kept)).toBe('unjudged');
    expect(judge(event({ topic: 't', createdUs: null }), kept)).toBe('missing');
  });

  test('is not taken for published where Kafka has nothing left at all', () => {
    const nothing = { ...kept, lastMs: Number.NEGATIVE_INFINITY };
    expect(judge(event({ topic: 'emptied', atMs: nowMs - 2 * hourMs }), nothing)).toBe('unjudged');
    expect(judge(event({ topic: 'emptied', atMs: nowMs }), nothing)).toBe('missing');
  });
});

describe('missing events are ordered', () => {
  const ids = (events: readonly AbsentEvent[]) => order(events).map(({ id }) => id);

  test('by their commits, not by when they were written or began', () => {
    const slow = event({ id: 'slow', atMs: 1, xidAge: 9, committedUs: 500n });
    const quick = event({ id: 'quick', atMs: 2, xidAge: 8, committedUs: 400n });
    expect(ids([slow, quick])).toEqual(['quick', 'slow']);
  });

  test('within a transaction by statement, and within a statement by time and place, savepoints or not', () => {
    const of = (id: string, command: number, atMs: number, place: string, xid = '700') =>
      event({ id, command, atMs, place, xid, committedUs: 400n });
    const d = of('d', 2, 1, '(0,9)');
    const c = of('c', 1, 3, '(10,1)', '701');
    const b = of('b', 1, 3, '(9,2)', '701');
    const a = of('a', 0, 5, '(3,3)');
    expect(ids([d, c, b, a])).toEqual(['a', 'b', 'c', 'd']);
  });

  test('by when they were written where the commits are not known, and the same whatever order they come in', () => {
    const first = event({ id: 'first', atMs: 1, xidAge: 3, command: 7 });
    const second = event({ id: 'second', atMs: 2, xidAge: 9, command: 0 });
    expect(ids([second, first])).toEqual(['first', 'second']);
    const some = Array.from({ length: 12 }, (_, n) =>
      event({
        id: String(n),
        atMs: 1 + (n % 3),
        xidAge: n % 4,
        command: n % 2,
        place: `(0,${n})`,
        committedUs: n % 5 === 0 ? us(2) : null,
      }),
    );
    fc.assert(
      fc.property(fc.shuffledSubarray(some, { minLength: 12 }), (shuffled) => {
        expect(ids(shuffled)).toEqual(ids(some));
      }),
    );
  });
});

test('a key is uncertain where several transactions wrote it and their commits are not known', () => {
  const of = (key: string, xid: string, committedUs: bigint | null = null) =>
    event({ key, xid, committedUs });
  expect(countUncertainKeys([of('a', '1'), of('a', '1'), of('b', '2')])).toBe(0);
  expect(countUncertainKeys([of('a', '1'), of('a', '2'), of('b', '2')])).toBe(1);
  expect(countUncertainKeys([of('a', '1', 5n), of('a', '2', 6n)])).toBe(0);
  expect(countUncertainKeys([of('a', '1', 5n), of('a', '2')])).toBe(1);
});

test('neighbours of one transaction are published together', () => {
  const events = [
    event({ id: 'a', xid: '1', committedUs: 5n }),
    event({ id: 'b', xid: '2', committedUs: 5n }),
    event({ id: 'c', xid: '3', committedUs: 6n }),
    event({ id: 'd', xid: '4' }),
    event({ id: 'e', xid: '4' }),
  ];
  expect(transactionsOf(events).map((each) => each.map(({ id }) => id).join(''))).toEqual(['ab', 'c', 'de']);
});
