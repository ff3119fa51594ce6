/**
 * Owns how text stands for bytes, strictly: one text for each content, so that nothing else passes.
 * - base64: RFC 4648 section 4, padded, nothing between;
 * - base64url: section 5, unpadded;
 * - hex: two digits a byte, both cases;
 * - latin1: ISO-8859-1, a character a byte, as in Avro's own JSON and in the defaults of a schema.
 */

import type { BytesForm } from '../format.ts';
import { describe } from '../mismatch.ts';

export interface BinaryText {
  /** The bytes, or `undefined` for what is no text of this form. */
  readonly decode: (value: unknown) => Buffer | undefined;
  /** Why there are none. */
  readonly found: (value: unknown) => string;
}

export function binaryText(form: BytesForm): BinaryText {
  const decode = (value: unknown): Buffer | undefined => {
    if (typeof value !== 'string') return undefined;
    const content = Buffer.from(value, form);
    // Node skips what does not belong there, and takes either alphabet of base64; only strict text survives the way back.
    return content.toString(form) === (form === 'hex' ? value.toLowerCase() : value) ? content : undefined;
  };
  const found = (value: unknown): string =>
    typeof value === 'string' ? `string that is not ${form}` : describe(value);
  return { decode, found };
}
