/**
 * Owns the JSON forms of Avro's simple types, apart from the integers:
 * - float, double: a JSON number, rounded to the nearest float32 or double as everywhere in Avro; a number beyond the
 *   largest one is refused, because JSON has no infinity;
 * - string: a JSON string of valid Unicode (a lone surrogate has no UTF-8);
 * - bytes, fixed: text in a form of `binary-text.ts`; in a default ISO-8859-1, as in Avro's own JSON;
 * - enum: a symbol.
 */

import type { ByteSink } from '../byte-sink.ts';
import { ExactNumber } from '../exact-number.ts';
import type { BytesForm } from '../format.ts';
import { describe } from '../mismatch.ts';
import { binaryText } from './binary-text.ts';
import { type Codec, leaf } from './codec.ts';

export const nothing: Codec = leaf('null', ['null'], (value) => value === null);

export const boolean: Codec = leaf('boolean', ['boolean'], (value, sink) => {
  if (typeof value !== 'boolean') return false;
  sink.writeByte(value ? 1 : 0);
  return true;
});

export const double: Codec = {
  ...leaf('double', ['number'], writeDouble, foundReal),
  isExact: (value) =>
    typeof value === 'number' || (typeof value === 'bigint' && BigInt(Number(value)) === value),
};

export const float: Codec = {
  ...leaf('float', ['number'], writeFloat, foundReal),
  isExact: (value) => typeof value === 'number' && Math.fround(value) === value,
};

export const string: Codec = leaf(
  'string',
  ['string'],
  (value, sink) => typeof value === 'string' && sink.writeString(value),
  (value) => (typeof value === 'string' ? 'string with a lone surrogate' : describe(value)),
);

export function bytes(form: BytesForm): Codec {
  const { decode, found } = binaryText(form);
  const tryWrite = (value: unknown, sink: ByteSink): boolean => {
    const content = decode(value);
    if (content === undefined) return false;
    sink.writeBytes(content);
    return true;
  };
  return { ...leaf(`bytes (${form})`, ['string'], tryWrite, found), isBinaryText: true };
}

export function fixed(name: string, size: number, form: BytesForm): Codec {
  const text = binaryText(form);
  const { decode } = text;
  const tryWrite = (value: unknown, sink: ByteSink): boolean => {
    const content = decode(value);
    if (content === undefined || content.length !== size) return false;
    sink.writeFixed(content);
    return true;
  };
  const found = (value: unknown): string =>
    decode(value) === undefined ? text.found(value) : 'wrong number of bytes';
  return {
    ...leaf(`fixed ${name} (${size} bytes, ${form})`, ['string'], tryWrite, found),
    isBinaryText: true,
  };
}

export function enumeration(name: string, symbols: readonly string[]): Codec {
  const indexes = new Map(symbols.map((symbol, index) => [symbol, index]));
  const tryWrite = (value: unknown, sink: ByteSink): boolean => {
    const index = typeof value === 'string' ? indexes.get(value) : undefined;
    if (index === undefined) return false;
    sink.writeInt(index);
    return true;
  };
  const found = (value: unknown): string =>
    typeof value === 'string' ? 'string that is not one of its symbols' : describe(value);
  return leaf(`enum ${name}`, ['string'], tryWrite, found);
}

function writeDouble(value: unknown, sink: ByteSink): boolean {
  const real = realOf(value);
  if (!Number.isFinite(real)) return false;
  sink.writeDouble(real);
  return true;
}

function writeFloat(value: unknown, sink: ByteSink): boolean {
  const real = Math.fround(realOf(value));
  if (!Number.isFinite(real)) return false;
  sink.writeFloat(real);
  return true;
}

/** The nearest double; NaN for a value that is not a number. */
function realOf(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  return value instanceof ExactNumber ? Number(value.source) : Number.NaN;
}

function foundReal(value: unknown): string {
  const isNumber = typeof value === 'number' || typeof value === 'bigint' || value instanceof ExactNumber;
  return isNumber ? 'number out of range' : describe(value);
}
