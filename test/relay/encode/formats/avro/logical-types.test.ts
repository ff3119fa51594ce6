import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { refusal, roundTrip } from './encoding.ts';

const decimal = (precision: number, scale: number) => ({
  type: 'bytes',
  logicalType: 'decimal',
  precision,
  scale,
});
const fixedDecimal = { type: 'fixed', name: 'D', size: 9, logicalType: 'decimal', precision: 20, scale: 4 };
const uuid = { type: 'string', logicalType: 'uuid' };
const fixedUuid = { type: 'fixed', name: 'U', size: 16, logicalType: 'uuid' };
const duration = { type: 'fixed', name: 'Span', size: 12, logicalType: 'duration' };
const onInt = (logicalType: string) => ({ type: 'int', logicalType });
const onLong = (logicalType: string) => ({ type: 'long', logicalType });

test('a decimal of any size is the least two’s complement of its digits', () => {
  const edges = fc.tuple(fc.nat(300), fc.integer({ min: -2, max: 2 }), fc.boolean());
  fc.assert(
    fc.property(edges, ([bits, near, isNegative]) => {
      const integer = (2n ** BigInt(bits) + BigInt(near)) * (isNegative ? -1n : 1n);
      const hex = String(roundTrip(decimal(100, 0), String(integer))).slice(2);
      const size = hex.length / 2;
      expect(BigInt.asIntN(8 * size, BigInt(`0x${hex}`))).toBe(integer);
      expect(BigInt.asIntN(8 * (size - 1), integer) === integer && size > 1).toBe(false);
    }),
    { numRuns: 2_000 },
  );
});

describe('accepted', () => {
  test.each<[schema: unknown, json: string, decoded: unknown]>([
    [decimal(4, 2), '0', '0x00'],
    [decimal(4, 2), '1.27', '0x7f'],
    [decimal(4, 2), '1.28', '0x0080'],
    [decimal(4, 2), '-1.28', '0x80'],
    [decimal(4, 2), '-1.29', '0xff7f'],
    [decimal(4, 2), '99.99', '0x270f'],
    [decimal(4, 2), '"99.990000"', '0x270f'],
    [decimal(4, 2), '"-0.50"', '0xce'],
    [decimal(4, 2), '1e1', '0x03e8'],
    [decimal(30, 10), '12345678901234567890.0123456789', '0x018ee90ff6c373e0ee0c04d515'],
    [decimal(30, 0), '-123456789012345678901234567890', '0xfe7116f0093c8c1f11b1c0f52e'],
    [decimal(17, 17), '0.30000000000000004', '0x6a94d74f430004'],
    [decimal(25, 0), '1e24', '0x00d3c21bcecceda1000000'],
    [fixedDecimal, '-1', '0xffffffffffffffd8f0'],
    [fixedDecimal, '1.0001', '0x000000000000002711'],
    [uuid, '"018F6b1e-7c3a-7e21-9d55-0a1b2c3d4e5f"', '018F6b1e-7c3a-7e21-9d55-0a1b2c3d4e5f'],
    [fixedUuid, '"018f6b1e-7c3a-7e21-9d55-0a1b2c3d4e5f"', '0x018f6b1e7c3a7e219d550a1b2c3d4e5f'],
    [onInt('date'), '"1970-01-01"', 0],
    [onInt('date'), '"2024-02-29"', Date.parse('2024-02-29') / 86_400_000],
    [onInt('date'), '"0001-01-01"', Date.parse('0001-01-01') / 86_400_000],
    [onInt('date'), '19000', 19000],
    [onInt('time-millis'), '"23:59:59.999"', 86_399_999],
    [onInt('time-millis'), '"12:30"', 45_000_000],
    [onLong('time-micros'), '"00:00:01.5"', 1_500_000n],
    [
      onLong('timestamp-millis'),
      '"2024-05-01T12:34:56.789Z"',
      BigInt(Date.parse('2024-05-01T12:34:56.789Z')),
    ],
    [
      onLong('timestamp-millis'),
      '"2024-05-01T12:34:56.789000Z"',
      BigInt(Date.parse('2024-05-01T12:34:56.789Z')),
    ],
    [onLong('timestamp-millis'), '"2024-05-01T00:30:00+02:00"', BigInt(Date.parse('2024-04-30T22:30:00Z'))],
    [onLong('timestamp-millis'), '"2024-05-01 12:34:56-0330"', BigInt(Date.parse('2024-05-01T16:04:56Z'))],
    [onLong('timestamp-millis'), '1714559696789', 1714559696789n],
    [onLong('timestamp-micros'), '"2024-05-01 12:34:56.123456+00"', 1714566896123456n],
    [onLong('timestamp-micros'), '"9999-12-31T23:59:59.999999Z"', 253402300799999999n],
    [onLong('timestamp-micros'), '"0001-01-01T00:00:00.000001Z"', -62135596799999999n],
    [onLong('timestamp-micros'), '9007199254740993', 9007199254740993n],
    [onLong('timestamp-nanos'), '"2024-05-01T12:34:56.123456789Z"', 1714566896123456789n],
    [onLong('local-timestamp-millis'), '"1969-12-31T23:59:59.999"', -1n],
    [onLong('local-timestamp-micros'), '"2024-05-01T12:34:56.123456"', 1714566896123456n],
    [duration, '"P1Y2M3DT4H5M6.789S"', '0x0e000000030000006568e000'],
    [duration, '"P2W"', '0x000000000e00000000000000'],
    [duration, '"PT0.5S"', '0x0000000000000000f4010000'],
    // Not a valid pair, or not known: the underlying type, as the specification says.
    [{ type: 'string', logicalType: 'date' }, '"soon"', 'soon'],
    [{ type: 'string', logicalType: 'colour' }, '"red"', 'red'],
    [{ type: 'bytes', logicalType: 'decimal' }, '"/+8="', '0xffef'],
    [{ type: 'bytes', logicalType: 'decimal', precision: 2, scale: 3 }, '"/+8="', '0xffef'],
    [{ type: 'bytes', logicalType: 'decimal', precision: 4, scale: null }, '"/+8="', '0xffef'],
    [{ type: 'fixed', name: 'F', size: 2, logicalType: 'decimal', precision: 5 }, '"/+8="', '0xffef'],
    [{ type: 'int', logicalType: 'timestamp-millis' }, '5', 5],
  ])('%j %s', (schema, json, decoded) => {
    expect(roundTrip(schema, json)).toStrictEqual(decoded);
  });
});

describe('refused, never rounded', () => {
  test.each<[schema: unknown, json: string, found: string]>([
    [decimal(4, 2), '1.234', 'number with more decimal places'],
    [decimal(4, 2), '0.30000000000000004', 'number with more decimal places'],
    [decimal(4, 2), '100', 'number with more digits'],
    [decimal(4, 2), '1e999999999', 'number with more digits'],
    [decimal(4, 2), '1e-999999999', 'number with more decimal places'],
    [decimal(30, 2), '12345678901234567890.125', 'number with more decimal places'],
    [decimal(4, 2), '"1,5"', 'string that is not a decimal number'],
    [decimal(4, 2), '"NaN"', 'string that is not a decimal number'],
    [decimal(4, 2), '""', 'string that is not a decimal number'],
    [decimal(4, 2), 'true', 'boolean'],
    [uuid, '"018f6b1e-7c3a-7e21-9d55-0a1b2c3d4e5"', 'string that is not a UUID'],
    [uuid, '"018f6b1e-7c3a-7e21-9d55-0a1b2c3d4e5g"', 'string that is not a UUID'],
    [uuid, '"018f6b1e07c3a-7e21-9d55-0a1b2c3d4e5f"', 'string that is not a UUID'],
    [onInt('date'), '"2023-02-29"', 'string in a different format'],
    [onInt('date'), '"1900-02-29"', 'string in a different format'],
    [onInt('date'), '"2024-13-01"', 'string in a different format'],
    [onInt('date'), '"2024-04-31"', 'string in a different format'],
    [onInt('date'), '"2024-1-01"', 'string in a different format'],
    [onInt('date'), '"infinity"', 'string in a different format'],
    [onInt('date'), '1.5', 'number with a fraction'],
    [onInt('date'), '3000000000', 'integer out of range'],
    [onInt('date'), 'null', 'null'],
    [onInt('time-millis'), '"12:00:00.0001"', 'string beyond its precision or range'],
    [onInt('time-millis'), '"24:00:00"', 'string in a different format'],
    [onInt('time-millis'), '"12:60:00"', 'string in a different format'],
    [onInt('time-millis'), '"12:00:60"', 'string in a different format'],
    [onInt('time-millis'), '"12:00:00."', 'string in a different format'],
    [onInt('time-millis'), '86400000', 'integer out of range'],
    [onInt('time-millis'), '-1', 'integer out of range'],
    [onLong('timestamp-millis'), '"2024-05-01T12:34:56.7891Z"', 'string beyond its precision or range'],
    [onLong('timestamp-millis'), '"2024-05-01T12:34:56"', 'string in a different format'],
    [onLong('timestamp-millis'), '"2024-05-01"', 'string in a different format'],
    [onLong('timestamp-millis'), '"2024-05-01T12:34:56+2"', 'string in a different format'],
    [onLong('timestamp-millis'), '"2024-05-01T12:34:56Zx"', 'string in a different format'],
    [onLong('timestamp-millis'), '"2024-05-01T12:34:56+02:60"', 'string in a different format'],
    [onLong('timestamp-nanos'), '"9999-01-01T00:00:00Z"', 'string beyond its precision or range'],
    [onLong('local-timestamp-millis'), '"2024-05-01T12:34:56Z"', 'string in a different format'],
    [onLong('local-timestamp-millis'), '"2024-05-01T12:34:56+02:00"', 'string in a different format'],
    [duration, '"P"', 'string with a different format, precision or range'],
    [duration, '"P1DT"', 'string with a different format, precision or range'],
    [duration, '"-P1D"', 'string with a different format, precision or range'],
    [duration, '"PT0.0001S"', 'string with a different format, precision or range'],
    [duration, '"P4294967296D"', 'string with a different format, precision or range'],
    [duration, '5', 'integer'],
  ])('%j %s', (schema, json, found) => {
    expect(refusal(schema, json).split(' <- ')[1]).toBe(found);
  });
});

test('dates agree with the Gregorian calendar of the platform over four centuries, day by day', () => {
  const days: string[] = [];
  const first = Date.parse('1799-12-31');
  for (let day = 0; day < 146_100; day++)
    days.push(new Date(first + day * 86_400_000).toISOString().slice(0, 10));
  const decoded = roundTrip({ type: 'array', items: onInt('date') }, JSON.stringify(days));
  expect(decoded).toStrictEqual(days.map((_, day) => first / 86_400_000 + day));
});
