import { expect, test } from 'vitest';
import { UnclearFailures } from '../../../relay/encode/unclear-failures.ts';

const row = {
  id: 'id',
  aggregatetype: 'order',
  aggregateid: 'k',
  type: 'Placed',
  payload: '{}',
  headers: null,
  createdAt: null,
};

test('an event is refused after its attempts also where others are encoded on their own before it each time', () => {
  const unclear = new UnclearFailures(2);
  const fine = { position: { commitLsn: 0x10n, ordinal: 0 }, committedAtMs: 0, row };
  const odd = { ...fine, position: { commitLsn: 0x10n, ordinal: 1 } };
  const refusal = {
    ...odd,
    code: 'ENCODING_FAILED' as const,
    message: '',
    path: null,
    topic: 'orders',
    subject: null,
    schemaId: null,
  };
  const attempt = () => {
    unclear.begin();
    unclear.settle([fine]);
    unclear.begin();
    const decided = unclear.decide(refusal, new Error('a defect'));
    unclear.settle([odd]);
    return decided?.failure?.attempts;
  };
  expect(attempt).toThrow('ENCODING_FAILED');
  expect(attempt).toThrow('ENCODING_FAILED');
  expect(attempt()).toBe(3);
});
