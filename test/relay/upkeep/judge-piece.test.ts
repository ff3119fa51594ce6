import { describe, expect, test } from 'vitest';
import type { Judged, SlotHold } from '../../../relay/ledger/cleanup.ts';
import {
  isBrief,
  reasonForAll,
  reasonForOutcome,
  reasonForPiece,
  reasonForRows,
} from '../../../relay/upkeep/judge-piece.ts';

const hold = (rest: Partial<SlotHold> = {}): SlotHold => ({
  slot: 'own',
  isOfHere: true,
  coveredMs: 0,
  coveredBeat: 5,
  ...rest,
});

describe('what holds back everything', () => {
  test.each<[string, SlotHold[], number | undefined, object | undefined]>([
    ['no slot', [], 5, { reason: 'no-slot' }],
    [
      'a slot of another database',
      [hold(), hold({ slot: 'b', isOfHere: false })],
      5,
      { reason: 'other-database', slot: 'b' },
    ],
    ['Kafka behind this slot', [hold()], 4, { reason: 'kafka-behind', slot: 'own' }],
    ['Kafka level with this slot', [hold()], 5, undefined],
    ['a progress that nobody has read', [hold()], undefined, undefined],
    ['another slot, of which this relay reads no progress', [hold({ slot: 'b' })], 0, undefined],
  ])('%s', (_, holds, beat, expected) => {
    expect(reasonForAll(holds, { slot: 'own', beat })).toEqual(expected);
  });
});

describe('what holds back a piece', () => {
  const facts = { nowMs: 1_000, retentionMs: 100, hasTime: true, archives: false };
  const piece = { way: 'drop', isGuarded: true, untilMs: 900 } as const;
  test.each([
    ['nothing, at the moment when its retention has passed', piece, facts, undefined],
    ['its retention, a moment before', { ...piece, untilMs: 901 }, facts, 'retention'],
    ['a shape that cannot be dropped', { ...piece, way: 'none' as const }, facts, 'shape'],
    ['rows that can be updated', { ...piece, isGuarded: false }, facts, 'unguarded'],
    ['rows without a time', { ...piece, way: 'delete' as const }, { ...facts, hasTime: false }, 'no-time'],
    [
      'an archive that has no place for single rows',
      { ...piece, way: 'delete' as const },
      { ...facts, archives: true },
      'archive',
    ],
  ])('%s', (_, given, circumstances, expected) => {
    expect(reasonForPiece(given, circumstances)).toBe(expected);
  });
});

describe('what holds back rows', () => {
  const judged = (rest: Partial<Judged>): Judged => ({
    allRows: 9,
    young: 0,
    uncovered: 0,
    unproven: 0,
    unverified: 0,
    leftOut: 0,
    waiting: 0,
    removable: 8,
    oldestMs: null,
    ...rest,
  });
  test.each([
    [{ removable: 9 }, undefined],
    [{ uncovered: 1, waiting: 1, unproven: 1 }, 'uncovered'],
    [{ waiting: 1, unproven: 1 }, 'dead-letter'],
    [{ unproven: 1, unverified: 1 }, 'unproven'],
    [{ unverified: 2, leftOut: 1, young: 1 }, 'before-audit'],
    [{ unverified: 1, young: 1 }, 'unverified'],
    [{ young: 1 }, 'retention'],
  ])('%j', (rest, expected) => {
    expect(reasonForRows(judged(rest))).toBe(expected);
  });
});

test('a partition that is gone has no reason, and only what passes in a moment is tried again at once', () => {
  expect(reasonForOutcome('dropped')).toBeUndefined();
  expect(reasonForOutcome('absent')).toBeUndefined();
  expect(isBrief(reasonForOutcome('busy'))).toBe(true);
  expect(isBrief(reasonForOutcome('writer'))).toBe(true);
  expect(isBrief(reasonForOutcome('changed'))).toBe(true);
  expect(isBrief(reasonForOutcome('writing'))).toBe(false);
});
