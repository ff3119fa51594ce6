/** Writes JSON that `parseJsonAsWritten` has read, with the digits it was read with. */
import { randomBytes } from 'node:crypto';
import { ExactNumber, type JsonValue, parseJsonAsWritten } from '../encode/formats/json.ts';

export {
  ExactNumber,
  type JsonValue,
  parseJsonAsWritten,
  parseLosslessJson,
} from '../encode/formats/json.ts';

/** A text that no value has, because no value can know it. */
const mark = randomBytes(9).toString('base64url');
const marked = new RegExp(`"${mark}([^"]+)"`, 'g');

/**
 * Numbers with their digits pass through JSON.stringify as texts: JSON.rawJSON does not exist before Node 22.
 * @param indent spaces a level; 0 for one line
 */
export function jsonText(value: JsonValue, indent = 0): string {
  return JSON.stringify(value, (_, each: unknown) => markedNumber(each), indent).replace(marked, '$1');
}

/** JSON indented for people; text that is not JSON as it is. */
export function indented(text: string): string {
  try {
    return jsonText(parseJsonAsWritten(text), 2);
  } catch {
    return text.trim();
  }
}

function markedNumber(value: unknown): unknown {
  if (typeof value === 'bigint') return `${mark}${value}`;
  return value instanceof ExactNumber ? `${mark}${value.source}` : value;
}
