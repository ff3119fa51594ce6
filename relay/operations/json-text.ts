/** Writes JSON that `parseJsonAsWritten` has read, with the digits it was read with. */
import { ExactNumber, type JsonValue, parseJsonAsWritten } from '../encode/formats/json.ts';

export {
  ExactNumber,
  type JsonValue,
  parseJsonAsWritten,
  parseLosslessJson,
} from '../encode/formats/json.ts';

// JSON.rawJSON of ES2026, which Node 24 has and the compiler's library does not describe.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** @param indent spaces a level; 0 for one line */
export function jsonText(value: JsonValue, indent = 0): string {
  return JSON.stringify(value, (_, each: unknown) => rawNumber(each), indent);
}

/** JSON indented for people; text that is not JSON as it is. */
export function indented(text: string): string {
  try {
    return jsonText(parseJsonAsWritten(text), 2);
  } catch {
    return text.trim();
  }
}

function rawNumber(value: unknown): unknown {
  if (typeof value === 'bigint') return rawJSON(String(value));
  return value instanceof ExactNumber ? rawJSON(value.source) : value;
}
