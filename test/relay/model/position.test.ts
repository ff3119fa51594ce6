import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatLsn,
  formatPosition,
  parseLsn,
  parsePosition,
  positionPrefix,
} from '../../../relay/model/position.ts';

const lsn = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const ordinal = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const sign = (value: number | bigint) => (value < 0 ? -1 : value > 0 ? 1 : 0);

describe('an LSN', () => {
  test.each([
    ['0/0', 0n],
    ['16/B374D848', 0x16_b374_d848n],
    ['16/b374d848', 0x16_b374_d848n],
    ['0/1', 1n],
    ['1/0', 2n ** 32n],
    ['00000001/0000000A', 2n ** 32n + 10n],
    ['FFFFFFFF/FFFFFFFF', 2n ** 64n - 1n],
  ])('%s is read', (text, expected) => {
    expect(parseLsn(text)).toBe(expected);
  });

  test.each([
    '',
    '0',
    '0/',
    '/0',
    '0/G',
    '0/123456789',
    '123456789/0',
    ' 0/0',
    '0/0\n',
    '0/0/0',
    '-1/0',
    '0x1/0',
  ])('%j is refused', (text) => {
    expect(() => parseLsn(text)).toThrow(RangeError);
  });

  test('is printed as Postgres prints it, and read back', () => {
    expect(formatLsn(0x16_0000_000an)).toBe('16/A');
    fc.assert(fc.property(lsn, (value) => parseLsn(formatLsn(value)) === value));
  });
});

describe('a position', () => {
  test('is 16 and 8 hexadecimal digits', () => {
    expect(formatPosition(0x16_b374_d848n, 31)).toBe('00000016b374d848.0000001f');
    expect(formatPosition(1n, 2)).toBe(`${positionPrefix(1n)}00000002`);
  });

  test('as text is ordered as commit LSN and ordinal are', () => {
    const near = fc.tuple(fc.bigInt({ min: 0n, max: 300n }), fc.integer({ min: 0, max: 300 }));
    const position = fc.oneof(near, fc.tuple(lsn, ordinal));
    fc.assert(
      fc.property(position, position, ([lsnA, ordinalA], [lsnB, ordinalB]) => {
        const a = formatPosition(lsnA, ordinalA);
        const b = formatPosition(lsnB, ordinalB);
        const byText = a < b ? -1 : a > b ? 1 : 0;
        expect(byText).toBe(sign(lsnA - lsnB) || sign(ordinalA - ordinalB));
      }),
    );
  });

  test('is read back', () => {
    fc.assert(
      fc.property(lsn, ordinal, (commitLsn, number) => {
        expect(parsePosition(formatPosition(commitLsn, number))).toEqual({ commitLsn, ordinal: number });
      }),
    );
  });

  test.each([
    '',
    '00000016b374d848',
    '16b374d848.1f',
    '00000016B374D848.0000001F',
    '00000016b374d848.0000001f ',
    'g0000016b374d848.0000001f',
  ])('%j is none', (text) => {
    expect(parsePosition(text)).toBeUndefined();
  });
});
