/** Up to when Kafka may have removed records because of their age. */
import { expect, test } from 'vitest';
import { commitToleranceMs } from '../../../relay/audit/commit-tolerance.ts';
import { expiredUntilMs } from '../../../relay/audit/expired.ts';

const byAge = { 'cleanup.policy': 'delete', 'retention.ms': '5000', 'retention.bytes': '-1' };
const until = (changed: Partial<Record<keyof typeof byAge, string>> = {}) =>
  expiredUntilMs(new Map(Object.entries({ ...byAge, ...changed })), 1_000_000);

test('what is older than the topic keeps, with some tolerance for clocks', () => {
  expect(until()).toBe(995_000 + commitToleranceMs);
});

test('nothing where the topic keeps records forever', () => {
  expect(until({ 'retention.ms': '-1' })).toBe(Number.NEGATIVE_INFINITY);
});

test.each([
  { 'retention.bytes': '1000' },
  { 'cleanup.policy': 'compact' },
  { 'cleanup.policy': 'compact,delete' },
])('is not known with %j: age is not all that removes', (changed) => {
  expect(until(changed)).toBeUndefined();
});

test('is not known where a broker does not tell all of it', () => {
  for (const name of Object.keys(byAge))
    expect(
      expiredUntilMs(new Map(Object.entries({ ...byAge }).filter(([key]) => key !== name)), 1),
    ).toBeUndefined();
});
