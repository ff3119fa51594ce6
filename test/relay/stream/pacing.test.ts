import { expect, test } from 'vitest';
import { dueInMs, type Pacing } from '../../../relay/stream/pacing.ts';

const covered = { endLsn: 1n, partial: null };
const events = { hasEvents: true, covered };
const onlyProgress = { hasEvents: false, covered };
const nothing = { hasEvents: false, covered: undefined };

const pacing: Pacing = { lingerMs: 5, heartbeatMs: 10_000, begunMs: 1_000, committedMs: 1_003 };

test.each([
  ['an event after a silence', events, 60_000, 0],
  ['an event when the linger is just over', events, 1_005, 0],
  ['an event while the linger runs, which counts from where the last transaction began', events, 1_004, 1],
  ['an event as soon as the last transaction began', events, 1_000, 5],
  ['progress alone, soon after the last commit', onlyProgress, 1_004, 9_999],
  ['progress alone, when a heartbeat is over since the last commit', onlyProgress, 11_003, 0],
  ['progress alone, long after', onlyProgress, 60_000, 0],
  ['nothing at all, however late it is', nothing, 60_000, undefined],
])('%s', (_, batch, nowMs, expected) => {
  expect(dueInMs(batch, false, pacing, nowMs)).toBe(expected);
});

test('events for which the stream waits do not linger, and progress alone is not hurried', () => {
  expect(dueInMs(events, true, pacing, 1_000)).toBe(0);
  expect(dueInMs(onlyProgress, true, pacing, 1_003)).toBe(10_000);
  expect(dueInMs(nothing, true, pacing, 1_003)).toBeUndefined();
});

test('a linger of 0 commits every batch as soon as the last one is', () => {
  expect(dueInMs(events, false, { ...pacing, lingerMs: 0 }, 1_000)).toBe(0);
});
