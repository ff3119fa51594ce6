import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ExactNumber, parseLosslessJson } from '../../../../relay/encode/avro/json.ts';
import { RelayError } from '../../../../relay/errors.ts';

const exact = (source: string) => new ExactNumber(source);

describe('a number keeps every digit', () => {
  test.each<[string, unknown]>([
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['9007199254740993', 9007199254740993n],
    ['-9223372036854775808', -9223372036854775808n],
    ['123456789012345678901234567890', 123456789012345678901234567890n],
    ['0.1', 0.1],
    ['0.30000000000000004', 0.30000000000000004],
    ['0.1000000000000000055', exact('0.1000000000000000055')],
    ['1234567890123.4567', exact('1234567890123.4567')],
    ['1.00000000000000000000', 1],
    ['1.00000000000000000001', exact('1.00000000000000000001')],
    ['1e3', 1000],
    ['1E22', exact('1E22')],
    ['123456789012345e3', exact('123456789012345e3')],
    ['1e400', exact('1e400')],
    ['-1e400', exact('-1e400')],
    ['1e-400', exact('1e-400')],
    ['1.5e-7', 1.5e-7],
    ['-0', -0],
    ['-0.0', -0],
    ['0e5', 0],
  ])('%s, alone, in an array, in an object and before white space', (source, value) => {
    expect(parseLosslessJson(source)).toStrictEqual(value);
    expect(parseLosslessJson(`[${source}]`)).toStrictEqual([value]);
    expect(parseLosslessJson(`{"a": ${source},"b":-${source.replace('-', '')}\n}`)).toHaveProperty(
      'a',
      value,
    );
    expect(parseLosslessJson(`[ ${source} , 1]`)).toStrictEqual([value, 1]);
  });

  test('an integer literal too long for any double stays text, so that nobody waits for a giant bigint', () => {
    const source = '9'.repeat(1000);
    expect(parseLosslessJson(source)).toStrictEqual(exact(source));
  });

  test('any decimal text comes back as a value that stands for the same digits', () => {
    const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,24})(\.\d{1,24})?([eE][+-]?\d{1,2})?$/);
    fc.assert(
      fc.property(digits, fc.nat(40), (source, padding) => {
        const parsed = parseLosslessJson(`{"${'p'.repeat(padding)}":${source}}`) as Record<string, unknown>;
        const value = parsed['p'.repeat(padding)];
        const text = value instanceof ExactNumber ? value.source : String(value);
        expect(rational(text)).toEqual(rational(source));
      }),
      { numRuns: 5000 },
    );
  });
});

/** The number as a fraction in lowest powers of ten, by other means than the code under test. */
function rational(text: string): [bigint, number] {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  let unscaled = BigInt(whole.replace('-', '') + fraction) * (whole.startsWith('-') ? -1n : 1n);
  let power = 0 + Number(exponent) - fraction.length;
  if (unscaled === 0n) return [0n, 0];
  while (unscaled % 10n === 0n) {
    unscaled /= 10n;
    power++;
  }
  return [unscaled, power];
}

test('digits within strings and keys stay strings', () => {
  const text = '{"12345678901234567890":"12345678901234567890","b":"x 1e400, 9007199254740993]"}';
  expect(parseLosslessJson(text)).toStrictEqual(JSON.parse(text));
});

test.each(['', ',"n":9007199254740993'])('__proto__ is a key like any other, on either path (%s)', (more) => {
  const value = parseLosslessJson(`{"__proto__":{"admin":true}${more}}`) as Record<string, unknown>;
  expect(Object.keys(value)[0]).toBe('__proto__');
  expect(value.admin).toBeUndefined();
});

test.each(['', ',"n":9007199254740993'])(
  'of duplicate keys the last one wins, on either path (%s)',
  (more) => {
    expect(parseLosslessJson(`{"a":1,"a":2.5${more}}`)).toHaveProperty('a', 2.5);
  },
);

describe('what is no JSON is refused without a word of it', () => {
  test.each([
    '',
    'secret',
    '{"secret":}',
    '{"secret":NaN}',
    '[1,secret',
    '{"secret":12345678901234567890',
    '01',
  ])('%s', (text) => {
    const error = caught(() => parseLosslessJson(text));
    expect(error.code).toBe('PAYLOAD_NOT_JSON');
    expect(`${error.message}${error.stack}${JSON.stringify(error.context)}`).not.toContain('secret');
    expect(error.cause).toBeUndefined();
  });

  test('nesting too deep for the exact walk', () => {
    const text = `${'['.repeat(200_000)}9007199254740993${']'.repeat(200_000)}`;
    expect(caught(() => parseLosslessJson(text)).code).toBe('PAYLOAD_NOT_JSON');
  });
});

function caught(run: () => unknown): RelayError {
  try {
    run();
  } catch (error) {
    if (error instanceof RelayError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
