/**
 * A payload that does not fit its schema. The promise that the relay never shows a payload rests on this file: a mismatch
 * names places and types from the schema, and never a value, nor a key that only the payload has.
 */
import { ExactNumber } from './exact-number.ts';

export class ValueMismatch extends Error {
  override readonly name = 'ValueMismatch';
  /** JSON path, `$.lines[3].price`; `[*]` stands for a map's key, which is payload. */
  path = '$';
  readonly expected: string;
  /** The type of what was there, never its value. */
  readonly found: string;

  constructor(expected: string, found: string) {
    super(`Expected ${expected}, found ${found} at $.`);
    this.expected = expected;
    this.found = found;
  }

  /** Called while the stack unwinds, innermost first, so that the path costs nothing without a mismatch. */
  within(segment: string): this {
    this.path = `$${segment}${this.path.slice(1)}`;
    this.message = `Expected ${this.expected}, found ${this.found} at ${this.path}.`;
    return this;
  }
}

/** `error`, with one more step of the path if it is a mismatch. */
export function within(error: unknown, segment: string): unknown {
  return error instanceof ValueMismatch ? error.within(segment) : error;
}

/** The JSON type of `value` in words. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (value instanceof ExactNumber) return 'number';
  switch (typeof value) {
    case 'bigint':
      return 'integer';
    case 'number':
      return Number.isInteger(value) ? 'integer' : 'number with a fraction';
    default:
      return typeof value;
  }
}
