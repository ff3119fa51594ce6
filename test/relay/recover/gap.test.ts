import { describe, expect, test } from 'vitest';
import { parseSnapshot, visibility, wholeXid } from '../../../relay/model/pg-snapshot.ts';
import { type AbsentEvent, eventMs, judge, type Known, type Sight } from '../../../relay/recover/gap.ts';

const nowMs = Date.UTC(2026, 0, 10);

function event(given: Partial<AbsentEvent> & { atMs?: number } = {}): AbsentEvent {
  const { atMs = nowMs, ...rest } = given;
  return {
    id: 'e',
    relation: '1',
    place: '(0,1)',
    xid: '700',
    wholeXid: 700n,
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
