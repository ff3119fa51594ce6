import { expect, test } from 'vitest';
import { aheadOf } from '../../../../console/web/data/clock.ts';

const date = 'Sat, 28 Nov 2026 21:00:00 GMT';
const nowMs = Date.parse(date);

test('the clock of the server is learned from an answer that came at once', () => {
  expect(aheadOf(date, nowMs - 600_000, 20)).toBe(600_000);
  expect(aheadOf(date, nowMs + 3_600_000, 20)).toBe(-3_600_000);
  // The header has whole seconds.
  expect(aheadOf(date, nowMs + 1_400, 500)).toBe(0);
});

test('an answer that was late, as in a page that slept, or has no time, tells nothing', () => {
  expect(aheadOf(date, nowMs + 60_000, 60_000)).toBeUndefined();
  expect(aheadOf(null, nowMs, 20)).toBeUndefined();
  expect(aheadOf('soon', nowMs, 20)).toBeUndefined();
});
