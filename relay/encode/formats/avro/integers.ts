/**
 * Owns which JSON numbers are Avro ints and longs: exactly the integers in range, in any notation (`5`, `5.0`, `5e0`).
 */
import type { ByteSink } from '../byte-sink.ts';
import { ExactNumber, parseDecimal, unscaled } from '../exact-number.ts';
import { describe } from '../mismatch.ts';
import { type Codec, leaf } from './codec.ts';

export const longMin = -(2n ** 63n);
export const longMax = 2n ** 63n - 1n;
const longDigitsMax = 19;

export const int: Codec = leaf('int', ['number'], writeInt, (value) => foundNumber(value));
export const long: Codec = leaf('long', ['number'], writeLong, (value) => foundNumber(value));

export function writeInt(value: unknown, sink: ByteSink): boolean {
  // -0 is 0 here. Every other form of an integer this small has become a number in the parser.
  if (typeof value !== 'number' || (value | 0) !== value) return false;
  sink.writeInt(value);
  return true;
}

export function writeLong(value: unknown, sink: ByteSink): boolean {
  if (typeof value === 'number') {
    // An unsafe integer may differ from the number that was written; the parser never makes one.
    if (!Number.isSafeInteger(value)) return false;
    sink.writeLong(value);
    return true;
  }
  const integer = value instanceof ExactNumber ? exactInteger(value) : value;
  return typeof integer === 'bigint' && writeBigLong(integer, sink);
}

export function writeBigLong(value: bigint, sink: ByteSink): boolean {
  if (value < longMin || value > longMax) return false;
  sink.writeBigLong(value);
  return true;
}

export function foundNumber(value: unknown): string {
  const isInteger =
    typeof value === 'bigint' ||
    (typeof value === 'number' && Number.isInteger(value)) ||
    (value instanceof ExactNumber && (parseDecimal(value.source)?.exponent ?? -1) >= 0);
  if (isInteger) return 'integer out of range';
  return value instanceof ExactNumber ? 'number with a fraction' : describe(value);
}

function exactInteger(value: ExactNumber): bigint | undefined {
  const decimal = parseDecimal(value.source);
  return decimal && unscaled(decimal, 0, longDigitsMax);
}
