import { expect, test } from 'vitest';
import { isOfPayload, refusedAgain } from '../../../../../console/web/screens/dead-letters/advice.ts';

test('a reason is another one by its code, not by what its message has to add', () => {
  const missing = { code: 'SCHEMA_MISSING', message: 'no subject order' };
  expect(refusedAgain(missing, missing)).toBe('The relay would refuse it again, for the same reason.');
  const near = { ...missing, message: 'no subject order; did you mean orders?' };
  expect(refusedAgain(near, missing)).toBe('The relay would refuse it again:');
  const invalid = { code: 'PAYLOAD_INVALID', message: '$.total' };
  expect(refusedAgain(missing, invalid)).toBe('The relay would refuse it, for another reason:');
});

test('a payload is offered for editing first where another one can help', () => {
  expect(['PAYLOAD_INVALID', 'TYPE_NOT_IN_SCHEMA', 'RECORD_TOO_LARGE'].map(isOfPayload)).not.toContain(false);
  expect(['SCHEMA_MISSING', 'TOPIC_MISSING', 'TOPIC_PAUSED'].map(isOfPayload)).not.toContain(true);
});
