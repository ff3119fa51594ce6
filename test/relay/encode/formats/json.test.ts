import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ExactNumber, parseLosslessJson } from '../../../../relay/encode/formats/json.ts';
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

  test('an integer literal too long for any double stays text, so that no giant bigint takes time', () => {
    const source = '9'.repeat(1000);
    expect(parseLosslessJson(source)).toStrictEqual(exact(source));
  });

  test('any decimal text comes back as a value with the same digits', () => {
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

test('the exact way is no deeper than JSON.parse, and names no more', () => {
  const text = `${'['.repeat(200_000)}9007199254740993${']'.repeat(200_000)}`;
  let value = parseLosslessJson(text);
  while (Array.isArray(value)) value = value[0]!;
  expect(value).toBe(9007199254740993n);
  for (const name of ['12345678901234567890', '1e400 ', '-1e400'])
    expect(caught(() => parseLosslessJson(`{${name}:1,"n":1e400}`)).code).toBe('PAYLOAD_NOT_JSON');
});

test('a string is not a number, whatever character it begins with', () => {
  const strings = ['\ue000', '\ue00012345678901234567890', '\ue001', '\\ue000'];
  const escaped = '"\\uE002","\\ue003123"';
  expect(
    parseLosslessJson(`[${strings.map((text) => JSON.stringify(text)).join()},${escaped},1e400]`),
  ).toEqual([...strings, '\ue002', '\ue003123', exact('1e400')]);
  const all = Array.from({ length: 6_400 }, (_, index) => String.fromCharCode(0xe000 + index)).join('');
  expect(parseLosslessJson(`["${all}"]`)).toEqual([all]);
  expect(caught(() => parseLosslessJson(`["${all}",1e400]`)).code).toBe('PAYLOAD_NOT_JSON');
});

describe('the time of a reading grows with the length of its text only', () => {
  // Large enough to tell: the quadratic scan took 2.4 s for it, and 100 times that for a megabyte.
  const bytes = 100_000;
  const times = (unit: string) => unit.repeat(bytes / unit.length);
  /** The least of three, which other processes on the machine disturb least. */
  function leastMs(text: string): number {
    const runs = [1, 2, 3].map(() => {
      const startMs = performance.now();
      parseLosslessJson(text);
      return performance.now() - startMs;
    });
    return Math.min(...runs);
  }

  test.each<[string, string]>([
    ['digits within a string', `{"bits":"${times('01')}"}`],
    ['digits behind a letter', `{"a":"x${times('7')}"}`],
    ['an integer', times('1')],
    ['a fraction', `0.${times('3')}`],
    ['an exponent', `1e${times('1')}`],
    ['what begins like exponents', `"${times('1e1')}"`],
    ['digits with points', `"${times('1.')}"`],
    ['many long numbers', `[${times('1234567890123456789,')}1]`],
    ['backslashes beside a long number', `["${times('\\\\')}",1e400]`],
    ['white space behind a long number', `[1e400${times(' ')}]`],
    ['spaces between names and colons', `{"a":1e400,${times('"b" :1,')}"c":1}`],
  ])('%s', (_name, text) => {
    // An array of numbers is the plainest JSON there is.
    const ordinaryMs = leastMs(`[${times('1,')}1]`);
    expect(leastMs(text)).toBeLessThan(20 * Math.max(5, ordinaryMs));
  });
});

describe('text that is not JSON is refused without showing any of it', () => {
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
