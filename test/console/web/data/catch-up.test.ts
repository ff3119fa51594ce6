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

test('is slow rather than hasty about it', () => {
  const { kind, seconds } = catchUpOf(aged(100, 90, 80, 70, 65, 60, 55, 50)) as {
    kind: string;
    seconds: number;
  };
  expect(kind).toBe('nearer');
  expect(seconds).toBeCloseTo(50, 6);
});

test.each([
  ['further', [10, 15, 20, 25]],
  ['same', [40, 40.1, 40, 40.05, 39.95, 40]],
  ['done', [40, 20, 10, 0.2]],
  // A pause has ended within the minute, and now a limit holds up more than it lets through.
  ['unknown', [80, 85, 90, 0.1, 1, 2, 4, 6, 8, 10, 12, 14]],
  ['unknown', [1, 2, 3, 4, 3, 2, 1.5, 1.2]],
  ['unknown', [40, 30, 20]],
  ['unknown', [40, 30, 20, 10, null]],
  ['unknown', [null, null, null, 20]],
  ['unknown', []],
])('is %s for %j', (kind, lags) => {
  expect(catchUpOf(aged(...lags)).kind).toBe(kind);
});
