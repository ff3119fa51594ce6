/**
 * Owns Avro's decimal: a JSON number, or a string that holds one, is written exactly or refused, and never rounded. Zeros
 * beyond the scale do not count as digits.
 */
import type { ByteSink } from '../byte-sink.ts';
import { ExactNumber, parseDecimal, unscaled } from '../exact-number.ts';
import { describe } from '../mismatch.ts';
import { type Codec, leaf } from './codec.ts';

/** Powers of ten up to here are doubles, so that a division by one is rounded only once. */
const exactPowerMax = 22;
/** Two decimals of 15 significant digits never share a double. */
const exactIntegerMax = 1e15;

/** Whether the attributes are legal for a decimal. */
export function isDecimal(precision: unknown, scale: unknown, sizeBytes: number | undefined): boolean {
  if (!Number.isInteger(precision) || !Number.isInteger(scale)) return false;
  const [digits, fraction] = [precision as number, scale as number];
  const digitsMax =
    sizeBytes === undefined ? Number.POSITIVE_INFINITY : Math.floor((8 * sizeBytes - 1) * Math.log10(2));
  return digits > 0 && digits <= digitsMax && fraction >= 0 && fraction <= digits;
}

/** `sizeBytes` is that of the underlying fixed; `undefined` for bytes. */
export function decimal(precision: number, scale: number, sizeBytes: number | undefined): Codec {
  const tryWrite = (value: unknown, sink: ByteSink): boolean => {
    const integer = unscaledOf(value, precision, scale);
    if (integer === undefined) return false;
    const size = sizeBytes ?? sizeOf(integer);
    if (sizeBytes === undefined) sink.writeInt(size);
    writeTwosComplement(integer, size, sink);
    return true;
  };
  const found = (value: unknown): string => foundDecimal(value, scale);
  return leaf(`decimal(${precision}, ${scale})`, ['number', 'string'], tryWrite, found);
}

function unscaledOf(value: unknown, precision: number, scale: number): number | bigint | undefined {
  if (typeof value === 'number') {
    // If the nearest integer divides back to the same double, it is the written decimal: both have at most 15 digits.
    // This takes neither text nor a bigint.
    const power = 10 ** scale;
    const integer = Math.round(value * power);
    const isExact =
      scale <= exactPowerMax && Math.abs(integer) < exactIntegerMax && integer / power === value;
    if (isExact) return Math.abs(integer) < 10 ** precision ? integer : undefined;
  }
  const source = textOf(value);
  const parsed = source === undefined ? undefined : parseDecimal(source);
  return parsed && unscaled(parsed, scale, precision);
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return value instanceof ExactNumber ? value.source : undefined;
}

function foundDecimal(value: unknown, scale: number): string {
  const source = textOf(value);
  if (source === undefined) return describe(value);
  const parsed = parseDecimal(source);
  if (parsed === undefined) return 'string that is not a decimal number';
  return parsed.exponent < -scale ? 'number with more decimal places' : 'number with more digits';
}

/** The smallest number of bytes in two's complement. */
function sizeOf(integer: number | bigint): number {
  let size = 1;
  if (typeof integer === 'number') {
    let limit = 128;
    while (integer < -limit || integer >= limit) {
      limit *= 256;
      size++;
    }
    return size;
  }
  // For a negative number, ~n has as many bits. Trying one size after another would take quadratic time.
  const hex = (integer < 0n ? ~integer : integer).toString(16);
  const bits = 4 * (hex.length - 1) + (32 - Math.clz32(Number.parseInt(hex.charAt(0), 16)));
  return Math.floor(bits / 8) + 1;
}

/** Big-endian, sign-extended to `size` bytes. */
function writeTwosComplement(integer: number | bigint, size: number, sink: ByteSink): void {
  if (typeof integer === 'bigint') {
    const hex = BigInt.asUintN(8 * size, integer).toString(16);
    sink.writeFixed(Buffer.from(hex.padStart(2 * size, '0'), 'hex'));
    return;
  }
  for (let byte = size - 1; byte >= 0; byte--) {
    // Math.floor, not a shift: it is two's complement for negative numbers too, beyond 32 bits.
    sink.writeByte(byte > 6 ? (integer < 0 ? 255 : 0) : Math.floor(integer / 2 ** (8 * byte)) & 255);
  }
}
