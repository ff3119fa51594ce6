import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSnapshot, visibility, wholeXid } from '../../../relay/model/pg-snapshot.ts';
import {
  type AbsentEvent,
  compareOrder,
  countUncertainKeys,
  eventMs,
  judge,
  type Known,
  type Sight,
  transactionsOf,
} from '../../../relay/recover/gap.ts';

const nowMs = Date.UTC(2026, 0, 10);

function event(given: Partial<AbsentEvent> & { atMs?: number } = {}): AbsentEvent {
  const { atMs = nowMs, ...rest } = given;
  return {
    id: 'e',
    relation: '1',
    place: '(0,1)',
    xid: '700',
    wholeXid: 700n,
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

test('a time that Postgres has and a Date has not is none', () => {
  expect(eventMs(event({ createdUs: us(8.64e15) }))).toBe(8.64e15);
  expect(eventMs(event({ createdUs: us(8.64e15) + 1000n }))).toBeUndefined();
});

describe('an event that is in the table and not in Kafka', () => {
  const known: Known = {
    first: parseSnapshot('90:100:90,95'),
    streamed: parseSnapshot('90:100:90,95'),
    covered: parseSnapshot('200:300:200,250'),
  };
  const judged = (xid: number, sight: Sight, of: Known = known): string => {
    const verdict = judge({ wholeXid: BigInt(xid) }, of, sight);
    return verdict.judgement === 'unjudged' ? verdict.reason : verdict.judgement;
  };

  test.each<[string, number, Sight, string]>([
    ['is left alone where it was committed before the slot was made', 89, 'whole', 'before'],
    ['is left alone then, whatever Kafka has removed', 89, 'part', 'before'],
    [
      'is asked about where it may be a savepoint of what ran when the slot was made',
      97,
      'whole',
      'unknown-start',
    ],
    ['has expired where it counts as published and its topic was trimmed', 150, 'part', 'expired'],
    ['has expired also where only older records were removed', 150, 'since-covered', 'expired'],
    ['is asked about where it counts as published and nothing was removed', 150, 'whole', 'contradiction'],
    ['is missing where it was committed later and nothing was removed', 300, 'whole', 'missing'],
    ['is missing where it was running then, and nothing was removed', 250, 'whole', 'missing'],
    [
      'is missing where it was committed later and only older records were removed',
      300,
      'since-covered',
      'missing',
    ],
    [
      'is asked about where it was committed later and any record may have been removed',
      300,
      'part',
      'removed',
    ],
    [
      'is asked about where it may count as published and records were removed',
      260,
      'since-covered',
      'removed',
    ],
    ['is missing where it may count as published and nothing was removed', 260, 'whole', 'missing'],
  ])('%s', (_, xid, sight, judgement) => {
    expect(judged(xid, sight)).toBe(judgement);
  });

  test('is asked about where no snapshot was kept', () => {
    const nothing = { first: undefined, streamed: undefined, covered: undefined };
    for (const sight of ['whole', 'since-covered', 'part'] as const)
      for (const xid of [50, 150, 400]) expect(judged(xid, sight, nothing)).toBe('unknown-start');
  });

  test('is asked about where what was published before was given up, and judged from there on', () => {
    const adopted = { ...known, streamed: parseSnapshot('240:240:') };
    expect(judged(89, 'part', adopted)).toBe('before');
    expect(judged(150, 'part', adopted)).toBe('unknown-start');
    expect(judged(239, 'whole', adopted)).toBe('unknown-start');
    expect(judged(300, 'whole', adopted)).toBe('missing');
  });

  test('never counts as published where nothing is known to be', () => {
    const uncovered = { ...known, covered: undefined };
    expect(judged(150, 'part', uncovered)).toBe('removed');
    expect(judged(150, 'since-covered', uncovered)).toBe('removed');
    expect(judged(150, 'whole', uncovered)).toBe('missing');
  });
});

describe('a snapshot', () => {
  test('shows what was over, hides what ran or began later, and is unclear about savepoints', () => {
    const snapshot = parseSnapshot('10:20:10,15');
    const seen = [9n, 10n, 12n, 15n, 19n, 20n].map((xid) => visibility(xid, snapshot));
    expect(seen).toEqual(['visible', 'hidden', 'unclear', 'hidden', 'unclear', 'hidden']);
    expect(visibility(9n, parseSnapshot('10:10:'))).toBe('visible');
    expect(visibility(10n, parseSnapshot('10:10:'))).toBe('hidden');
  });

  test('numbers a row by its 32 bits, below the end of the snapshot', () => {
    const epoch = 1n << 32n;
    expect(wholeXid('700', 800n)).toBe(700n);
    expect(wholeXid('700', 3n * epoch + 701n)).toBe(3n * epoch + 700n);
    expect(wholeXid('700', 3n * epoch + 700n)).toBe(2n * epoch + 700n);
    expect(wholeXid('4294967295', 3n * epoch + 5n)).toBe(3n * epoch - 1n);
    expect(wholeXid('2', 3n * epoch + 5n)).toBe(0n);
  });
});

describe('missing events are ordered', () => {
  const ids = (events: readonly AbsentEvent[]) => events.toSorted(compareOrder).map(({ id }) => id);

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
  const ids = ({ from, to }: { from: number; to: number }) =>
    events
      .slice(from, to)
      .map(({ id }) => id)
      .join('');
  expect([...transactionsOf(events)].map(ids)).toEqual(['ab', 'c', 'de']);
  expect([...transactionsOf([])]).toEqual([]);
});
