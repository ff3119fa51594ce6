import { describe, expect, test } from 'vitest';
import { kafkaErrorType } from '../../../relay/connect/kafka.ts';
import { Refusals, thresholdMs } from '../../../relay/connect/kafka-sasl.ts';

describe('a session is renewed', () => {
  test.each([
    [3_600_000, 0, 3_060_000],
    [3_600_000, 1, 3_420_000],
    [20_000, 1, 19_000],
    [3_000, 1, 2_000],
    [2_000, 0, 1_100],
    // The broker ends it: it refuses to be asked again within a second.
    [500, 0.5, 1_100],
  ])('that lasts %i ms, at luck %d, %i ms after it began', (lifetimeMs, luck, afterMs) => {
    expect(lifetimeMs - thresholdMs(lifetimeMs, () => luck)).toBe(afterMs);
  });

  test('by a whole number of ms, which is all that kafkajs takes', () => {
    expect(Number.isInteger(thresholdMs(12_345, () => 0.123_456))).toBe(true);
  });
});

test('a broker that refuses a token is retried for 30 s if it accepted one before, and not at all otherwise', () => {
  let now = 0;
  const refusals = new Refusals(() => now);
  const judge = () => {
    const error = refusals.judge('{"status":"invalid_token"}', { value: 'opaque', expiresAtMs: 1 });
    return [kafkaErrorType(error), error.message.includes('the relay retries')];
  };
  const final = ['SASL_AUTHENTICATION_FAILED', false];
  const passing = [undefined, true];
  expect(judge()).toEqual(final);
  refusals.accepted();
  expect(judge()).toEqual(passing);
  now += 29_999;
  expect(judge()).toEqual(passing);
  now += 1;
  expect(judge()).toEqual(final);
  refusals.accepted();
  expect(judge()).toEqual(passing);
});
