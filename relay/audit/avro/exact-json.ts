/**
 * Reads JSON and keeps numbers as they were written. Shares nothing with the relay's own reader on purpose: the audit
 * checks that one.
 */
import { randomBytes } from 'node:crypto';

/** A number, as its text. */
export class JsonNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

export type Json = null | boolean | string | JsonNumber | readonly Json[] | { readonly [key: string]: Json };

/** A name that no payload has, because no payload can know it. */
const mark = randomBytes(9).toString('base64url');

/**
 * Each number becomes an object for JSON.parse, which gives no text of a number before Node 22. An object can stand where a
 * number can, and nowhere else: what was not JSON does not become JSON.
 *
 * @throws SyntaxError
 */
export function readJson(text: string): Json {
  return JSON.parse(withMarkedNumbers(text), (_key, value) => {
    const source: unknown = typeof value === 'object' ? value?.[mark] : undefined;
    return typeof source === 'string' ? new JsonNumber(source) : value;
  });
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** A loop, since a pattern for strings runs out of stack in one with many escapes. */
function withMarkedNumbers(text: string): string {
  const parts: string[] = [];
  let copiedTo = 0;
  for (let at = 0; at < text.length; ) {
    const character = text[at]!;
    number.lastIndex = at;
    const source =
      character === '-' || (character >= '0' && character <= '9') ? number.exec(text)?.[0] : undefined;
    if (source !== undefined) {
      parts.push(text.slice(copiedTo, at), `{"${mark}":"${source}"}`);
      at += source.length;
      copiedTo = at;
    } else at = character === '"' ? endOfString(text, at + 1) : at + 1;
  }
  return parts.join('') + text.slice(copiedTo);
}

/** The place behind the quote that ends the string. */
function endOfString(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
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
