import { KafkaJSConnectionError } from 'kafkajs';
import { expect, test } from 'vitest';
import { protocolError } from '../../../../relay/publish/wire/kafkajs-internals.ts';
import { obstacleOf, retryPauseMs } from '../../../../relay/publish/wire/retry.ts';

test('each code has a meaning before anything is sent', () => {
  expect(obstacleOf(protocolError(51)), 'CONCURRENT_TRANSACTIONS').toBe('busy');
  expect(obstacleOf(protocolError(14)), 'COORDINATOR_LOAD_IN_PROGRESS').toBe('moved');
  expect(obstacleOf(protocolError(15)), 'COORDINATOR_NOT_AVAILABLE').toBe('moved');
  expect(obstacleOf(protocolError(16)), 'NOT_COORDINATOR').toBe('moved');
  expect(obstacleOf(protocolError(5)), 'LEADER_NOT_AVAILABLE').toBe('moved');
  expect(obstacleOf(protocolError(47)), 'INVALID_PRODUCER_EPOCH').toBe('final');
  expect(obstacleOf(protocolError(90)), 'PRODUCER_FENCED').toBe('final');
  expect(obstacleOf(protocolError(29)), 'TOPIC_AUTHORIZATION_FAILED').toBe('final');
  expect(obstacleOf(protocolError(32_000)), 'unheard of').toBe('final');
});

test('a lost connection is found inside the wrappers of the client; a bug of ours is final', () => {
  expect(obstacleOf(new KafkaJSConnectionError('gone'))).toBe('moved');
  const wrapped = new Error('wrapped', { cause: new KafkaJSConnectionError('gone') });
  expect(obstacleOf(wrapped)).toBe('moved');
  const signingIn = new Error('SASL PLAIN authentication failed: Closed connection');
  expect(obstacleOf(Object.assign(signingIn, { name: 'KafkaJSSASLAuthenticationError' }))).toBe('moved');
  expect(obstacleOf(new TypeError('x is not a function'))).toBe('final');
});

test('a busy coordinator is asked again at once, then less and less often', () => {
  expect(retryPauseMs('busy', 0)).toBeLessThanOrEqual(2);
  expect(retryPauseMs('busy', 50)).toBe(20);
  expect(retryPauseMs('moved', 0)).toBe(100);
});
