import { describe, expect, test } from 'vitest';
import {
  freeBytesOf,
  presentRate,
  secondsUntil,
  type WalSample,
  walRates,
} from '../../../relay/model/wal-rate.ts';

const minute = 60_000;

/** One sample a minute up to now, with so many bytes written in each minute, the latest last. */
function samplesOf(bytes: readonly number[]): WalSample[] {
  let lsn = 1_000_000n;
  const samples = [{ ageMs: bytes.length * minute, lsn }];
  for (const [index, written] of bytes.entries()) {
    lsn += BigInt(written);
    samples.push({ ageMs: (bytes.length - index - 1) * minute, lsn });
  }
  return samples;
}

const minutes = (count: number, bytes: number) => Array.from({ length: count }, () => bytes);

describe('the rate at which WAL is written', () => {
  test('is over five minutes, an hour, and the busiest hour of the day', () => {
    const samples = samplesOf([
      ...minutes(600, 600),
      ...minutes(60, 6_000),
      ...minutes(300, 1_200),
      ...minutes(5, 2_400),
    ]);
    const { last5Min, lastHour, busiestHour } = walRates(samples.toReversed());
    expect(last5Min).toBe(40);
    expect(lastHour).toBeCloseTo((55 * 1_200 + 5 * 2_400) / 3_600, 5);
    expect(busiestHour).toBe(100);
  });

  test('is not known before there is a span to take it over', () => {
    const none = { last5Min: undefined, lastHour: undefined, busiestHour: undefined };
    expect(walRates([])).toEqual(none);
    expect(walRates([{ ageMs: 0, lsn: 5n }])).toEqual(none);
    expect(walRates(samplesOf([60])).last5Min).toBe(1);
    expect(walRates(samplesOf(minutes(9, 60))).lastHour).toBeUndefined();
    expect(walRates(samplesOf(minutes(10, 60)))).toEqual({ last5Min: 1, lastHour: 1, busiestHour: 1 });
  });

  test('is not taken over a time without samples', () => {
    const samples = [
      { ageMs: 0, lsn: 9_000n },
      { ageMs: 65 * minute, lsn: 1_000n },
    ];
    expect(walRates(samples)).toEqual({ last5Min: undefined, lastHour: undefined, busiestHour: undefined });
  });

  test('is 0 where nothing is written, which is not unknown', () => {
    expect(walRates(samplesOf(minutes(60, 0)))).toEqual({ last5Min: 0, lastHour: 0, busiestHour: 0 });
  });

  test('is not negative after the database was restored to an earlier state', () => {
    const samples = [
      { ageMs: 3 * minute, lsn: 9_000n },
      { ageMs: 0, lsn: 1_000n },
    ];
    expect(walRates(samples).last5Min).toBeUndefined();
  });

  test('at present is the higher one, so that the forecast is early rather than late', () => {
    expect(presentRate({ last5Min: 1, lastHour: 2, busiestHour: 9 })).toBe(2);
    expect(presentRate({ last5Min: 3, lastHour: undefined, busiestHour: undefined })).toBe(3);
    expect(presentRate({ last5Min: undefined, lastHour: undefined, busiestHour: 9 })).toBeUndefined();
  });
});

test.each<[bytes: number | null | undefined, rate: number | undefined, seconds: number | undefined]>([
  [1_000, 10, 100],
  [1_000, undefined, undefined],
  [undefined, 10, undefined],
  [0, undefined, 0],
  [-5, 10, 0],
  [1_000, 0, Number.POSITIVE_INFINITY],
  [null, undefined, Number.POSITIVE_INFINITY],
])('%s bytes at %s a second last %s s', (bytes, rate, seconds) => {
  expect(secondsUntil(bytes, rate)).toBe(seconds);
});

test('what is left of the disk is known if both its size and its content are', () => {
  expect(freeBytesOf({ directoryBytes: 3, diskBytes: 10 })).toBe(7);
  expect(freeBytesOf({ directoryBytes: 12, diskBytes: 10 })).toBe(0);
  expect(freeBytesOf({ directoryBytes: undefined, diskBytes: 10 })).toBeUndefined();
  expect(freeBytesOf({ directoryBytes: 3, diskBytes: undefined })).toBeUndefined();
});
