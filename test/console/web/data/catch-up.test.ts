import { expect, test } from 'vitest';
import { catchUpOf } from '../../../../console/web/data/catch-up.ts';

/** A sample every 5 s. */
const aged = (...lagSeconds: (number | null)[]) => ({
  seconds: lagSeconds.map((_, index) => 1_000 + index * 5),
  lagMs: lagSeconds.map((lag) => (lag === null ? null : lag * 1_000)),
});

test('says when it has caught up, from how the age shrinks', () => {
  // Half a second in each second: 80 s are gone after 160.
  expect(catchUpOf(aged(100, 97.5, 95, 92.5, 90, 87.5, 85, 82.5, 80))).toEqual({
    kind: 'nearer',
    seconds: expect.closeTo(160, 6),
  });
});

test('believes the whole minute rather than its last samples', () => {
  const { kind, seconds } = catchUpOf(aged(100, 90, 92, 82, 84, 74)) as { kind: string; seconds: number };
  expect(kind).toBe('nearer');
  expect(seconds).toBeGreaterThan(70);
  expect(seconds).toBeLessThan(90);
});

test.each([
  ['further', [10, 15, 20, 25]],
  ['same', [40, 40.1, 40, 39.9]],
  ['done', [40, 20, 10, 0.2]],
  ['unknown', [40, 30, 20]],
  ['unknown', [40, 30, 20, 10, null]],
  ['unknown', [null, null, null, 20]],
  ['unknown', []],
])('is %s for %j', (kind, lags) => {
  expect(catchUpOf(aged(...lags)).kind).toBe(kind);
});
