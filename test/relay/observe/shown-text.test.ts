/** What of an error everybody may read who may ask for `status`. */
import { describe, expect, test } from 'vitest';
import { asRelayError, RelayError } from '../../../relay/errors.ts';
import { shownMessage, storable } from '../../../relay/observe/shown-text.ts';

describe('an error that nobody foresaw is named, and what it quotes stays in the log', () => {
  test('of Node', () => {
    let failure: RelayError | undefined;
    try {
      JSON.parse('card 4111');
    } catch (error) {
      failure = asRelayError(error);
    }
    expect(failure?.message).toContain('card');
    expect(shownMessage(failure!)).toBe('SyntaxError; the log of the relay has the details');
  });

  test('of Postgres, with what was done', () => {
    const cause = Object.assign(new Error('invalid input syntax for type bigint: "secret"'), {
      code: '22P02',
    });
    cause.name = 'error';
    const failure = new RelayError('INTERNAL', `reading the marks: ${cause.message}`, { cause });
    expect(shownMessage(failure)).toBe(
      'reading the marks: error 22P02; the log of the relay has the details',
    );
  });

  test('of the relay itself', () => {
    expect(shownMessage(new RelayError('INTERNAL', 'the producer is closed'))).toBe('the producer is closed');
  });
});

test('an error with a code says what it says', () => {
  const cause = new Error('connect ECONNREFUSED');
  const failure = new RelayError('KAFKA_UNAVAILABLE', 'connecting to Kafka: connect ECONNREFUSED', { cause });
  expect(shownMessage(failure)).toBe(failure.message);
});

test.each([
  ['short', 'plain text', 'plain text'],
  ['with U+0000, which jsonb refuses', 'a\u0000b', 'a·b'],
  ['with half a character', 'a\ud83d', 'a\ufffd'],
  ['that ends at the limit', 'x'.repeat(20), 'x'.repeat(20)],
  ['too long', 'x'.repeat(21), `${'x'.repeat(17)}…`],
  ['cut within a character of four bytes', `${'x'.repeat(15)}😀tail`, `${'x'.repeat(15)}…`],
])('text %s can be stored', (_, text, expected) => {
  expect(storable(text, 20)).toBe(expected);
  expect(Buffer.byteLength(storable(text, 20))).toBeLessThanOrEqual(20);
});
