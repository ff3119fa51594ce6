/**
 * Decimal arithmetic on the text of a number, so that no digit passes through a double. For integers beyond 2^53 and for
 * decimals, the promise that Kafka holds the committed value rests on this file.
 */

/** A JSON number that neither a JavaScript number nor a 64-bit integer can represent: its text, as it was written. */
export class ExactNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

/** ±`digits` × 10^`exponent`; `digits` has no leading and no trailing zero, and is empty for zero. */
export interface Decimal {
  readonly negative: boolean;
  readonly digits: string;
  readonly exponent: number;
}

const decimalPattern = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const zero = 48;

/** The decimal that a JSON number means (leading zeros allowed); `undefined` for any other text. */
export function parseDecimal(source: string): Decimal | undefined {
  const match = decimalPattern.exec(source);
  if (match === null) return undefined;
  const fraction = match[3] ?? '';
  const all = (match[2] ?? '') + fraction;
  // Loops, not /0+$/: that pattern takes quadratic time on a long run of zeros that ends in another digit.
  let from = 0;
  while (from < all.length && all.charCodeAt(from) === zero) from++;
  let to = all.length;
  while (to > from && all.charCodeAt(to - 1) === zero) to--;
  return {
    negative: match[1] === '-',
    digits: all.slice(from, to),
    exponent: Number(match[4] ?? 0) - fraction.length + (all.length - to),
  };
}

/** Whether both texts mean the same value (`1e3` and `1000.0`); the sign of zero does not count. */
export function isSameNumber(left: string, right: string): boolean {
  if (left === right) return true;
  const a = parseDecimal(left);
  // String(1e22) is "1e+22", which is a JSON number too.
  const b = parseDecimal(right);
  if (a === undefined || b === undefined || a.digits !== b.digits) return false;
  return a.digits === '' || (a.exponent === b.exponent && a.negative === b.negative);
}

/**
 * `decimal` × 10^`scale` as an integer of at most `digitsMax` digits; `undefined` where it has more digits or a
 * fraction would be left. Bounded before it is built: `1e999999999` costs nothing.
 */
export function unscaled(decimal: Decimal, scale: number, digitsMax: number): bigint | undefined {
  if (decimal.digits === '') return 0n;
  const zeros = decimal.exponent + scale;
  if (zeros < 0 || decimal.digits.length + zeros > digitsMax) return undefined;
  const magnitude = BigInt(decimal.digits + '0'.repeat(zeros));
  return decimal.negative ? -magnitude : magnitude;
}
