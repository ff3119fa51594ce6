/**
 * Owns the shape of every compiled piece of a schema, and the kinds of JSON values. `record.ts`, `collection.ts` and
 * `union.ts` compose pieces; the leaves are in `primitives.ts` and in the files of the logical types.
 */
import type { ByteSink } from '../byte-sink.ts';
import { ExactNumber } from '../exact-number.ts';
import { describe } from '../mismatch.ts';

/**
 * True: written. False: the value itself is not of this type, and nothing was written. A part of the value that does
 * not fit throws `ValueMismatch`, and leaves bytes behind.
 */
export type TryWrite = (value: unknown, sink: ByteSink) => boolean;

export interface Codec {
  /** The type in words, for a mismatch. */
  readonly expected: string;
  /** Kinds of JSON value that may fit; a union does not try others. */
  readonly takes: readonly JsonKind[];
  readonly tryWrite: TryWrite;
  /** Why `tryWrite` returned false. */
  readonly found: (value: unknown) => string;
  /** Present where `tryWrite` may round: whether it would keep the value exactly. */
  readonly isExact?: (value: unknown) => boolean;
  /** The string form is an encoding of bytes, so that nearly any text could pass for it. */
  readonly isBinaryText?: boolean;
  /** Holds other values, so `tryWrite` may throw. */
  readonly isContainer?: boolean;
  /** A cheap look at the value. False: `tryWrite` would refuse it. */
  readonly mayTake?: (value: unknown) => boolean;
}

/**
 * A payload is natural JSON. A default is in the schema, in Avro's own JSON: bytes are ISO-8859-1 text, and a logical
 * type is written as its underlying type.
 */
export type Form = 'payload' | 'default';

export const jsonKinds = ['null', 'boolean', 'number', 'string', 'array', 'object'] as const;
export type JsonKind = (typeof jsonKinds)[number];

export type JsonObject = { readonly [key: string]: unknown };

export function kindOf(value: unknown): JsonKind {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'boolean':
      return 'boolean';
    case 'string':
      return 'string';
    case 'number':
    case 'bigint':
      return 'number';
    default:
      if (Array.isArray(value)) return 'array';
      return value instanceof ExactNumber ? 'number' : 'object';
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber)
  );
}

/** A codec of a type without parts. */
export function leaf(
  expected: string,
  takes: readonly JsonKind[],
  tryWrite: TryWrite,
  found: (value: unknown) => string = describe,
): Codec {
  return { expected, takes, tryWrite, found };
}
