/**
 * Owns the reading of a payload's JSON without losing a digit. JSON.parse turns 9007199254740993 into ...992 and says
 * nothing; everything the Avro writer promises about exactness rests on what is kept here.
 *
 * What a number becomes:
 * - `number`: a safe integer, or a fraction whose shortest decimal form is the value that was written. Hence
 *   `String(n)` gives the written value back;
 * - `bigint`: an integer literal beyond 2^53 - 1 (up to `integerDigitsMax` digits);
 * - `ExactNumber`: anything else a double would change (more digits than it holds, 1e400, 123456789012345e3).
 *
 * Duplicate keys: the last one wins, as in JSON.parse and in Postgres `jsonb`. `__proto__` is a key like any other:
 * it becomes an own property and touches no prototype.
 */
import { RelayError } from '../../errors.ts';
import { ExactNumber, isSameNumber } from './exact-number.ts';

export { ExactNumber } from './exact-number.ts';

export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | ExactNumber
  | JsonValue[]
  | { [key: string]: JsonValue };

/**
 * An exponent: digits that end before `,`, `}`, `]`, white space or the end of the text. The ending is asked for because
 * without it every second UUID would hit.
 */
const exponent = /\d[eE][+-]?\d+(?:[,}\]\s]|$)/;

/** Every decimal of 15 significant digits survives a double; with the point, 16 characters hold no more than that. */
const suspiciousLength = 16;

/** 309 digits reach the largest double; a longer integer fits nothing but a decimal, which reads its text. */
const integerDigitsMax = 400;

const integerLiteral = /^-?\d+$/;

/**
 * The value of a JSON text, exact. Throws `PAYLOAD_NOT_JSON`, without a cause: V8's message quotes the text.
 *
 * JSON.parse alone makes the values, also of a text with numbers that it would change: these are made strings first, behind
 * a character that the text does not hold, and become numbers again in place. Its reviver would do, but takes 90 bytes of
 * memory for each byte of text at worst, and recurses; this takes no more than JSON.parse.
 */
export function parseLosslessJson(text: string): JsonValue {
  try {
    return isSuspicious(text) ? parseKeepingDigits(text) : JSON.parse(text);
  } catch {
    throw new RelayError('PAYLOAD_NOT_JSON', 'The payload is not JSON.');
  }
}

/** A JSON number. Nothing follows that could belong to it: what does makes the whole text no JSON. */
const numberToken = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const quote = 34;
const backslash = 92;
const colon = 58;
const space = 32;
const minus = 45;

function parseKeepingDigits(text: string): JsonValue {
  const mark = unusedCharacter(text);
  const parts: string[] = [];
  let copiedTo = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfString(text, at + 1);
    else if (code === minus || isDigitOrPoint(code)) {
      const source = numberAt(text, at);
      const end = at + Math.max(1, source.length);
      // A name is a string: behind a mark a number would pass for one.
      if (isChanged(source) && !isName(text, end)) {
        parts.push(text.slice(copiedTo, at), `"${mark}${source}"`);
        copiedTo = end;
      }
      at = end;
    } else at++;
  }
  if (parts.length === 0) return JSON.parse(text) as JsonValue;
  parts.push(text.slice(copiedTo));
  return restoreNumbers(JSON.parse(parts.join('')) as JsonValue, mark);
}

/** One of Unicode's private use, as it stands or escaped. A text that holds all 6,400 is refused like one that is no JSON. */
function unusedCharacter(text: string): string {
  const escapes = text.includes('\\u') ? text.toLowerCase() : '';
  for (let code = 0xe000; code <= 0xf8ff; code++) {
    const mark = String.fromCharCode(code);
    if (!text.includes(mark) && !escapes.includes(`\\u${code.toString(16)}`)) return mark;
  }
  throw new RangeError('no character is left');
}

/** Behind the quote that ends the string. */
function endOfString(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === quote) return at + 1;
    at += code === backslash ? 2 : 1;
  }
  return at;
}

/** The number there; empty where there is none. */
function numberAt(text: string, at: number): string {
  numberToken.lastIndex = at;
  return numberToken.exec(text)?.[0] ?? '';
}

function isName(text: string, end: number): boolean {
  let at = end;
  // White space of JSON lies below the exclamation mark; whatever else does is no JSON anyway.
  while (text.charCodeAt(at) <= space) at++;
  return text.charCodeAt(at) === colon;
}

/** Whether JSON.parse would make another number of it, or one that does not say which was written. */
function isChanged(source: string): boolean {
  if (source === '') return false;
  const value = Number(source);
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) return true;
  return !isSameNumber(source, String(value));
}

function exactNumber(source: string): bigint | ExactNumber {
  // What is no safe integer, and written as an integer.
  if (source.length <= integerDigitsMax && integerLiteral.test(source)) return BigInt(source);
  return new ExactNumber(source);
}

/** In place, and without recursion: a payload may be nested as deeply as its text is long. */
function restoreNumbers(root: JsonValue, mark: string): JsonValue {
  const holder: JsonValue[] = [root];
  const containers: (JsonValue[] | { [key: string]: JsonValue })[] = [holder];
  const restored = (value: JsonValue): JsonValue => {
    if (typeof value === 'string') return value.startsWith(mark) ? exactNumber(value.slice(1)) : value;
    if (typeof value === 'object' && value !== null && !(value instanceof ExactNumber))
      containers.push(value);
    return value;
  };
  for (let next = containers.pop(); next !== undefined; next = containers.pop()) {
    if (Array.isArray(next)) {
      for (let index = 0; index < next.length; index++) {
        const value = next[index]!;
        const exact = restored(value);
        if (exact !== value) next[index] = exact;
      }
    } else
      for (const name of Object.keys(next)) {
        const value = next[name]!;
        const exact = restored(value);
        // An own property, `__proto__` too: JSON.parse has made it, so that this sets no prototype.
        if (exact !== value) next[name] = exact;
      }
  }
  return holder[0]!;
}

/**
 * Whether `text` may hold a number that JSON.parse changes: one with an exponent, or one that is long. Most texts hold
 * none, and take 0.2 µs here for 1.3 µs of JSON.parse, where keeping the digits takes some µs more. A hit within a string
 * costs only that. (One pattern for both, /[\d.]{16}|…/, took 1.3 µs.)
 */
function isSuspicious(text: string): boolean {
  return hasLongNumber(text) || exponent.test(text);
}

/**
 * A run of 16 covers one of every 16 positions: only those are looked at. Behind a run the search goes on at its end, so
 * that no character is read more than twice: a text of digits only would take quadratic time, minutes for a megabyte.
 */
function hasLongNumber(text: string): boolean {
  for (let at = suspiciousLength - 1; at < text.length; at += suspiciousLength) {
    if (!isDigitOrPoint(text.charCodeAt(at))) continue;
    let start = at;
    while (start > 0 && isDigitOrPoint(text.charCodeAt(start - 1))) start--;
    let end = at + 1;
    while (end < text.length && isDigitOrPoint(text.charCodeAt(end))) end++;
    if (end - start >= suspiciousLength && canStartNumber(text, start)) return true;
    at = end;
  }
  return false;
}

function isDigitOrPoint(code: number): boolean {
  return (code >= 48 && code <= 57) || code === 46;
}

/** After a quote or a letter the digits belong to a string. */
function canStartNumber(text: string, start: number): boolean {
  return start === 0 || ' \t\n\r-:,['.includes(text.charAt(start - 1));
}
