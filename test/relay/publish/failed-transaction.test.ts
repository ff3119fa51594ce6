import { describe, expect, test } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import { orExpired, recordsRefused } from '../../../relay/publish/failed-transaction.ts';
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

describe('a transaction that was ended by somebody else', () => {
  const ended = new RelayError('PRODUCER_FENCED', 'ended', {
    context: { kafkaError: 'INVALID_PRODUCER_EPOCH' },
  });

  test('has expired once it is as old as its timeout', () => {
    expect(orExpired(ended, 5_000.4, 5_000)).toMatchObject({
      code: 'TRANSACTION_EXPIRED',
      message: expect.stringContaining('not over after 5000 ms'),
      cause: ended,
      context: { elapsedMs: 5_000 },
    });
  });

  test('was ended by a successor before', () => {
    expect(orExpired(ended, 4_999.9, 5_000)).toBe(ended);
  });

  test('keeps any other failure, however old it is', () => {
    const failure = new RelayError('KAFKA_UNAVAILABLE', 'the connection was closed');
    expect(orExpired(failure, 60_000, 5_000)).toBe(failure);
  });
});
