import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RateLimit } from '../../../relay/model/rate-limit.ts';

const limits = (eventsPerSecond: number, bytesPerSecond = 0) => ({ eventsPerSecond, bytesPerSecond });

test('without limits nothing waits, however much goes', () => {
  const rate = new RateLimit(limits(0), 0);
  rate.take(1_000_000, 1e12, 0);
  expect(rate.waitMs(0)).toBe(0);
});

test('the first goes at once, and the next when the rate allows it', () => {
  const rate = new RateLimit(limits(10), 0);
  expect(rate.waitMs(0)).toBe(0);
  rate.take(1, 0, 0);
  expect(rate.waitMs(0)).toBe(0); // what an idle relay may publish at once
  rate.take(1, 0, 0);
  expect(rate.waitMs(0)).toBe(100);
  expect(rate.waitMs(60)).toBe(40);
  expect(rate.waitMs(100)).toBe(0);
});

test('what is larger than a bucket passes, and the next one waits until it is paid for', () => {
  const rate = new RateLimit(limits(10), 0);
  rate.take(1_001, 0, 0);
  expect(rate.waitMs(0)).toBe(100_000);
  expect(rate.waitMs(100_000)).toBe(0);
});

test('the narrower of two limits counts', () => {
  const rate = new RateLimit(limits(1_000, 100), 0);
  rate.take(100, 110, 0);
  expect(rate.waitMs(0)).toBe(1_000);
  expect(new RateLimit(limits(0, 100), 0).waitMs(0)).toBe(0);
});

test('a debt is paid at a new rate, and is forgotten where there is no limit any more', () => {
  const rate = new RateLimit(limits(10), 0);
  rate.take(101, 0, 0);
  expect(rate.waitMs(0)).toBe(10_000);
  rate.change(limits(100), 0);
  expect(rate.waitMs(0)).toBe(1_000);
  rate.change(limits(0), 0);
  expect(rate.waitMs(0)).toBe(0);
  rate.change(limits(10), 0);
  expect(rate.waitMs(0)).toBe(0);
});

test('a clock that goes back gives nothing away', () => {
  const rate = new RateLimit(limits(10), 1_000);
  rate.take(2, 0, 1_000);
  expect(rate.waitMs(0)).toBe(100);
  expect(rate.waitMs(1_000)).toBe(100);
});

test('over time no more goes than the rate, and no less for want of tokens', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 60 }),
      (perSecond, sizes) => {
        const rate = new RateLimit(limits(perSecond), 0);
        let nowMs = 0;
        let gone = 0;
        for (const size of sizes) {
          nowMs += rate.waitMs(nowMs);
          expect(rate.waitMs(nowMs)).toBe(0);
          rate.take(size, 0, nowMs);
          gone += size;
        }
        const allowed = (perSecond * (nowMs + 100)) / 1_000;
        expect(gone - sizes.at(-1)!).toBeLessThanOrEqual(allowed + 1e-6);
        // Each wait is rounded up to a whole ms.
        expect(gone).toBeGreaterThanOrEqual((perSecond * (nowMs - sizes.length)) / 1_000 - 1e-6);
      },
    ),
  );
});
