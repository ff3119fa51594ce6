/**
 * Owns how text encodes bytes. Strict: each content has exactly one text.
 * - base64: RFC 4648 section 4, padded, without white space;
 * - base64url: section 5, unpadded;
 * - hex: two digits per byte, in either case;
 * - latin1: ISO-8859-1, one character per byte, as in Avro's own JSON and in the defaults of a schema.
 */

import type { BytesForm } from '../format.ts';
import { describe } from '../mismatch.ts';

export interface BinaryText {
  /** The bytes; `undefined` for anything that is not text of this form. */
  readonly decode: (value: unknown) => Buffer | undefined;
  /** Why there are none. */
  readonly found: (value: unknown) => string;
}

export function binaryText(form: BytesForm): BinaryText {
  const decode = (value: unknown): Buffer | undefined => {
    if (typeof value !== 'string') return undefined;
    const content = Buffer.from(value, form);
    // Node skips invalid characters and accepts either alphabet of base64; only strict text survives the round trip.
    return content.toString(form) === (form === 'hex' ? value.toLowerCase() : value) ? content : undefined;
  };
  const found = (value: unknown): string =>
    typeof value === 'string' ? `string that is not ${form}` : describe(value);
  return { decode, found };
}
