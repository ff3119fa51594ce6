/** What Kafka itself may have removed from a topic. */
import { expect, test } from 'vitest';
import { commitToleranceMs } from '../../../relay/audit/commit-tolerance.ts';
import { retentionOf } from '../../../relay/audit/retention.ts';

const byAge = { 'cleanup.policy': 'delete', 'retention.ms': '5000', 'retention.bytes': '-1' };
const retention = (changed: Partial<Record<keyof typeof byAge, string>> = {}) =>
  retentionOf(new Map(Object.entries({ ...byAge, ...changed })), 1_000_000);
const expiredMs = 995_000 + commitToleranceMs;

test('what is older than the topic keeps, with some tolerance for clocks', () => {
  expect(retention()).toEqual({ expiredMs, isAlsoBySize: false });
});

test('nothing where the topic keeps records forever', () => {
  expect(retention({ 'retention.ms': '-1' })).toEqual({
    expiredMs: Number.NEGATIVE_INFINITY,
    isAlsoBySize: false,
  });
});

test('also younger records where the topic is limited in bytes', () => {
  expect(retention({ 'retention.bytes': '1000' })).toEqual({ expiredMs, isAlsoBySize: true });
});

test.each(['compact', 'compact,delete'])('records of any age with cleanup.policy=%s', (policy) => {
  expect(retention({ 'cleanup.policy': policy })).toEqual({
    expiredMs: Number.POSITIVE_INFINITY,
    isAlsoBySize: true,
  });
});

test('is not known where a broker does not tell all of it', () => {
  for (const name of Object.keys(byAge))
    expect(
      retentionOf(new Map(Object.entries({ ...byAge }).filter(([key]) => key !== name)), 1),
    ).toBeUndefined();
});
