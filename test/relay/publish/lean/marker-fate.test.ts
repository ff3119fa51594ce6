import { expect, test } from 'vitest';
import { isMendOpen, lastFate, withNote, withoutNote } from '../../../../relay/publish/lean/marker-fate.ts';

test.each(['commit', 'abort'] as const)(
  'a successor learns from the timeout that the last was: %s',
  (fate) => {
    expect(lastFate({ state: 'Empty', timeoutMs: withNote(60_000, fate) })).toBe(fate);
  },
);

test('the state says more than the timeout, which is of an earlier transaction', () => {
  const timeoutMs = withNote(60_000, 'abort');
  expect(lastFate({ state: 'CompleteCommit', timeoutMs })).toBe('commit');
  expect(lastFate({ state: 'Ongoing', timeoutMs: withNote(60_000, 'commit') })).toBe('abort');
});

test('nothing is known of a timeout without a note', () => {
  expect(lastFate({ state: 'Empty', timeoutMs: 60_000 })).toBeUndefined();
  expect(withNote(60_000, undefined)).toBe(60_000);
});

test.each([60_991, 60_992, 60_993])(
  'a timeout of %d ms is not begun with: it reads like a note',
  (chosenMs) => {
    const timeoutMs = withoutNote(chosenMs);
    expect(isMendOpen({ state: 'Ongoing', timeoutMs })).toBe(false);
    expect(lastFate({ state: 'Empty', timeoutMs })).toBeUndefined();
    expect(chosenMs - timeoutMs).toBe(3);
  },
);

test('any other timeout is begun with as it is', () => {
  for (const timeoutMs of [1, 5_000, 60_000, 60_990, 60_994, 900_000])
    expect(withoutNote(timeoutMs)).toBe(timeoutMs);
});

test('a note only shortens a timeout, and leaves out what is too short for it', () => {
  expect(withNote(900_000, 'mending')).toBe(899_993);
  expect(withNote(1_500, 'mending')).toBe(1_500);
});

test('only an open transaction that finishes a committed one must be committed', () => {
  const timeoutMs = withNote(900_000, 'mending');
  expect(isMendOpen({ state: 'Ongoing', timeoutMs })).toBe(true);
  expect(isMendOpen({ state: 'Empty', timeoutMs })).toBe(false);
  expect(isMendOpen({ state: 'Ongoing', timeoutMs: withNote(60_000, 'commit') })).toBe(false);
});

test('a progress that was being finished was committed, whatever became of that', () => {
  const timeoutMs = withNote(900_000, 'mending');
  expect(lastFate({ state: 'CompleteAbort', timeoutMs })).toBe('commit');
});
