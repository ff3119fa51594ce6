/** How numbers, sizes and times are written: with a unit, and never 0 for what is not known. */
import { describe, expect, test } from 'vitest';
import {
  agree,
  bytes,
  count,
  counted,
  figure,
  localTime,
  milliseconds,
  percent,
  seconds,
  unknown,
  utc,
} from '../../../../console/web/data/format.ts';

test.each([
  ['count', count, 1_234_567, '1,234,567'],
  ['figure', figure, 0.123_456, '0.123'],
  ['figure', figure, 1_234.5, '1,235'],
  ['bytes', bytes, 1_023, '1,023 B'],
  ['bytes', bytes, 1_536, '1.5 KiB'],
  ['bytes', bytes, 4 * 1024 ** 3, '4 GiB'],
  ['milliseconds', milliseconds, 8.744, '8.74 ms'],
  ['milliseconds', milliseconds, 90_000, '1 min 30 s'],
  ['milliseconds', milliseconds, 60_400, '1 min'],
  ['milliseconds', milliseconds, 700_000, '11 min'],
  ['seconds', seconds, 59.94, '59.9 s'],
  ['seconds', seconds, 119, '1 min'],
  ['seconds', seconds, 3_660, '1 h 1 min'],
  // Of so many hours nobody counts the minutes.
  ['seconds', seconds, 39_000, '10 h'],
  ['seconds', seconds, 86_400 * 2 + 3_600, '2 d 1 h'],
  ['percent', percent, 0.1234, '12.3 %'],
])('%s', (_, format, value, text) => {
  expect(format(value)).toBe(text);
  for (const nothing of [null, undefined]) expect(format(nothing)).toBe(unknown);
});

test('one is one', () => {
  expect([0, 1, 2, 1_000].map((value) => counted(value, 'event'))).toEqual([
    '0 events',
    '1 event',
    '2 events',
    '1,000 events',
  ]);
  expect([0, 1, 2].map((value) => agree(value, 'was', 'were'))).toEqual(['were', 'was', 'were']);
});

describe('a time', () => {
  const noon = '2026-11-29T12:00:00.250Z';

  test('has its date, unless it is of today, and its year, unless it is of this one', () => {
    const [clock, dated, years] = [
      '2026-11-29T12:30:00Z',
      '2026-11-27T12:00:00Z',
      '2027-01-02T12:00:00Z',
    ].map((now) => localTime(noon, Date.parse(now)));
    expect(clock).toMatch(/^\d\d:\d\d:00$/);
    expect(dated).toContain(clock);
    expect(dated).toMatch(/29/);
    expect(years).toMatch(/2026/);
  });

  test('is given in UTC, to the millisecond, beside that of the viewer', () => {
    expect(utc(noon)).toBe('2026-11-29 12:00:00.250 UTC');
  });
});
