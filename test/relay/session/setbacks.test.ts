import { describe, expect, test } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import { Setbacks } from '../../../relay/session/setbacks.ts';
import { configOf } from '../settings.ts';

const retry = { ...configOf().retry, initialDelayMs: 100, maxDelayMs: 1_600, unclearAttempts: 2 };
const refused = new RelayError('PUBLISH_REFUSED', 'too large');

/** The most that any of some pauses takes: they are random below a bound. */
function longestPauseMs(after: (setbacks: Setbacks) => void): number {
  let longest = 0;
  for (let round = 0; round < 200; round++) {
    const setbacks = new Setbacks(retry);
    after(setbacks);
    longest = Math.max(longest, setbacks.nextPauseMs(undefined));
  }
  return longest;
}

const fiveFailures = (setbacks: Setbacks) => {
  for (let failure = 0; failure < 5; failure++) setbacks.nextPauseMs(undefined);
};

describe('the pause before the next session', () => {
  test('grows with each failure', () => {
    expect(longestPauseMs(() => {})).toBeLessThanOrEqual(100);
    expect(longestPauseMs(fiveFailures)).toBeGreaterThan(800);
  });

  test.each([
    ['something was published', (setbacks: Setbacks) => setbacks.published()],
    ['another relay was active', (setbacks: Setbacks) => setbacks.sawPeer('progress')],
  ])('is short again once %s', (_, recover) => {
    const pauseMs = longestPauseMs((setbacks) => {
      fiveFailures(setbacks);
      recover(setbacks);
    });
    expect(pauseMs).toBeLessThanOrEqual(100);
  });
});

describe('records that Kafka refuses', () => {
  test('need a person after so many times in a row', () => {
    const setbacks = new Setbacks(retry);
    const codes = [1, 2, 3].map(() => setbacks.weigh(refused).code);
    expect(codes).toEqual(['PUBLISH_REFUSED', 'PUBLISH_REFUSED', 'KAFKA_UNSUITABLE']);
  });

  test.each([
    ['another failure', (setbacks: Setbacks) => setbacks.weigh(new RelayError('KAFKA_UNAVAILABLE', ''))],
    ['something that is published', (setbacks: Setbacks) => setbacks.published()],
  ])('are counted from the start after %s', (_, between) => {
    const setbacks = new Setbacks(retry);
    for (let round = 0; round < 3; round++) {
      expect([1, 2].map(() => setbacks.weigh(refused).code)).not.toContain('KAFKA_UNSUITABLE');
      between(setbacks);
    }
  });
});

test('another relay has published if the progress changed since the last look or failure', () => {
  const setbacks = new Setbacks(retry);
  expect(setbacks.sawPeer(undefined)).toBe(false);
  expect([setbacks.sawPeer('1'), setbacks.sawPeer('1'), setbacks.sawPeer('2')]).toEqual([true, false, true]);
  setbacks.nextPauseMs('3');
  expect(setbacks.sawPeer('3')).toBe(false);
});
