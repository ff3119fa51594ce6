import { expect, test } from 'vitest';
import { recordsRefused } from '../../../relay/publish/failed-transaction.ts';
import { protocolError } from '../../../relay/publish/wire/kafkajs-internals.ts';

test('brokers that do not know the codec refuse the records for good, and the message says what to set', () => {
  const unsupportedCompressionType = 76;
  const refused = recordsRefused(protocolError(unsupportedCompressionType), 'outbox.event.order');
  expect(refused).toMatchObject({
    code: 'PUBLISH_REFUSED',
    message: expect.stringContaining(
      'outbox.event.order: UNSUPPORTED_COMPRESSION_TYPE; set publish.compression',
    ),
  });
});

test('any other error is no refusal of the records', () => {
  const notLeader = 6;
  expect(recordsRefused(protocolError(notLeader))).toBeUndefined();
  expect(recordsRefused(new Error('Closed connection'))).toBeUndefined();
});
