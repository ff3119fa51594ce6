/**
 * Owns the shape every compiled piece of a schema has, and how JSON values are told apart. Pieces are composed by
 * `record.ts`, `collection.ts` and `union.ts`; the leaves are in `primitives.ts` and the files of the logical types.
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
  /** Kinds of JSON value that may fit: a union does not ask the others. */
  readonly takes: readonly JsonKind[];
  readonly tryWrite: TryWrite;
  /** Why `tryWrite` said no. */
  readonly found: (value: unknown) => string;
  /** Present where `tryWrite` may round: whether it would keep the value. */
  readonly isExact?: (value: unknown) => boolean;
  /** The string form is an encoding of bytes, so that nearly any text could pass for it. */
  readonly isBinaryText?: boolean;
  /** Holds other values, so `tryWrite` may throw. */
  readonly isContainer?: boolean;
  /** A look at the value without going into it. False: `tryWrite` would refuse it. */
  readonly mayTake?: (value: unknown) => boolean;
}

/**
 * A payload is natural JSON. A default stands in the schema and is Avro's own JSON: bytes are ISO-8859-1 text, logical
 * types are written as what they rest on.
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

/** A codec whose refusal needs no further words than the kind of the value. */
export function leaf(
  expected: string,
  takes: readonly JsonKind[],
  tryWrite: TryWrite,
  found: (value: unknown) => string = describe,
): Codec {
  return { expected, takes, tryWrite, found };
}
