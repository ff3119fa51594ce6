import { expect, test } from 'vitest';
import { Random } from '../../../harness/random.ts';
import { KeySampler } from '../../../relay/stream/key-sampler.ts';
import { recordOf } from '../publish/records.ts';

/** Four keys, in turn. */
const recordsFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, n) => recordOf({ key: String((first + n) % 4) }));

/** Seconds with so many records in each, in transactions of `size`. @returns per second: samples, and what they stand for */
function run(perSecond: readonly number[], size: number) {
  const random = new Random(3);
  const sampler = new KeySampler(0, () => random.fraction());
  return perSecond.map((events, second) => {
    const done = { samples: 0, weight: 0, byKey: {} as Record<string, number> };
    for (let sent = 0; sent < events; sent += size) {
      const nowMs = 1_000 * (second + sent / events);
      const sampled = sampler.sample(recordsFrom(sent, Math.min(size, events - sent)), nowMs);
      for (const { key } of sampled?.records ?? []) {
        done.samples += 1;
        done.weight += sampled!.every;
        done.byKey[key] = (done.byKey[key] ?? 0) + sampled!.every;
      }
    }
    return done;
  });
}

test('of a slow stream every event is a sample', () => {
  for (const { samples, weight } of run([900, 900, 500], 7)) expect(samples).toBe(weight);
  expect(run([900, 500], 7).map(({ samples }) => samples)).toEqual([900, 500]);
});

test.each([1, 4, 1_000])(
  'of a fast stream about 1,000 a second are, and they stand for all events (transactions of %i)',
  (size) => {
    const seconds = run([40_000, 40_000, 40_000, 40_000], size).slice(1);
    for (const { samples, weight, byKey } of seconds) {
      expect(samples).toBeGreaterThan(900);
      expect(samples).toBeLessThan(1_100);
      expect(weight / 40_000).toBeCloseTo(1, 1);
      // Each key has a quarter. They come in turn, in step with the transactions.
      for (const share of Object.values(byKey)) expect(share / weight).toBeCloseTo(0.25, 1);
      expect(Object.keys(byKey)).toHaveLength(4);
    }
  },
);

test.each([1, 4, 1_000, 40_000])(
  'a stream that is fast from its first moment is not looked at in full, and is stood for (transactions of %i)',
  (size) => {
    const [first] = run([40_000], size);
    expect(first!.samples).toBeLessThan(6_000);
    expect(first!.samples).toBeGreaterThan(900);
    expect(first!.weight / 40_000).toBeCloseTo(1, 1);
  },
);
