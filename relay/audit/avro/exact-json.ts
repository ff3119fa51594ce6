/**
 * Reads JSON and keeps numbers as they were written. Shares nothing with the relay's own reader on purpose: the audit
 * checks that one.
 */

/** A number, as its text. */
export class JsonNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

export type Json = null | boolean | string | JsonNumber | readonly Json[] | { readonly [key: string]: Json };

// The source text access of ES2026, which Node 24 has and the compiler's library does not describe.
type Reviver = (key: string, value: unknown) => unknown;

/** @throws SyntaxError */
export function readJson(text: string): Json {
  const keep = (_key: string, value: unknown, context: { readonly source?: string }) =>
    typeof value === 'number' ? new JsonNumber(context.source!) : value;
  return JSON.parse(text, keep as Reviver);
}

export function isJsonObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber)
  );
}

/** ±digits × 10^exponent, with no zero at either end of `digits`; zero has none. */
export type Decimal = { readonly isNegative: boolean; readonly digits: string; readonly exponent: number };

/** undefined if the text is not a decimal number. */
export function readDecimal(text: string): Decimal | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, sign, whole, fraction = '', power = '0'] = match;
  return normalise(sign === '-', `${whole}${fraction}`, Number(power) - fraction.length);
}

/** `unscaled` × 10^-`scale` */
export function decimalOf(unscaled: bigint, scale: number): Decimal {
  return normalise(unscaled < 0n, String(unscaled < 0n ? -unscaled : unscaled), -scale);
}

function normalise(isNegative: boolean, digits: string, exponent: number): Decimal {
  // Loops rather than patterns, which take quadratic time on long runs of zeros.
  let from = 0;
  while (from < digits.length && digits[from] === '0') from++;
  let to = digits.length;
  while (to > from && digits[to - 1] === '0') to--;
  if (from === to) return { isNegative: false, digits: '', exponent: 0 };
  return { isNegative, digits: digits.slice(from, to), exponent: exponent + digits.length - to };
}

export function isSameDecimal(a: Decimal | undefined, b: Decimal | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.isNegative === b.isNegative && a.digits === b.digits && a.exponent === b.exponent;
}

const mostDigits = 30;

/** The integer that a number means (`5`, `5.0` or `5e0`); undefined if it is not one, or too large for any Avro type. */
export function integerOf(value: Json | undefined): bigint | undefined {
  if (!(value instanceof JsonNumber)) return undefined;
  const decimal = readDecimal(value.source);
  if (decimal === undefined || decimal.exponent < 0) return undefined;
  if (decimal.digits.length + decimal.exponent > mostDigits) return undefined;
  const magnitude = BigInt(decimal.digits + '0'.repeat(decimal.exponent));
  return decimal.isNegative ? -magnitude : magnitude;
}
