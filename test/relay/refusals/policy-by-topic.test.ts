import { expect, test } from 'vitest';
import { policyByTopic } from '../../../relay/refusals/policy-by-topic.ts';

test('the policy of a topic is that of the first entry that fits, else the one for all', () => {
  const policyOf = policyByTopic({
    policy: 'halt',
    policies: ['shop.orders=dead-letter', 'shop.*=park-key', '*.log=dead-letter'],
  });
  expect(['shop.orders', 'shop.orders2', 'shop.log', 'other.log', 'other'].map(policyOf)).toEqual([
    'dead-letter',
    'park-key',
    'park-key',
    'dead-letter',
    'halt',
  ]);
  expect(policyOf(null)).toBe('halt');
});
