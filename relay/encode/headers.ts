/** The headers of a record: ours first, then the row's own. */

import { positionPrefix } from '../position.ts';
import { ExactNumber } from './avro/exact-number.ts';
import { parseLosslessJson } from './avro/json.ts';

/** Headers that only the relay writes; a row's own of these names are left out. */
const reserved: ReadonlySet<string> = new Set(['id', 'type', 'position']);

/** Why the headers column cannot be used. */
export class HeadersInvalid extends Error {}

/**
 * @param own the headers column: JSON text of an object, or null. Strings are taken as they are, numbers and booleans as
 *   JSON prints them; null means that the header is absent.
 * @throws HeadersInvalid for anything else.
 */
export function buildHeaders(
  event: { readonly id: string; readonly type: string; readonly position: string },
  own: string | null,
): Record<string, string> {
  const headers: Record<string, string> = { id: event.id, type: event.type, position: event.position };
  if (own === null || own === '{}') return headers;
  for (const [name, value] of Object.entries(parseObject(own))) {
    if (reserved.has(name) || value === null) continue;
    headers[name] = headerText(value);
  }
  return headers;
}

function headerText(value: unknown): string {
  if (value instanceof ExactNumber) return value.source;
  if (typeof value === 'object')
    throw new HeadersInvalid('headers: every value must be a string, number or boolean');
  return String(value);
}

function parseObject(text: string): Record<string, unknown> {
  const parsed = parse(text);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed) || parsed instanceof ExactNumber)
    throw new HeadersInvalid('headers: must be a JSON object');
  return parsed as Record<string, unknown>;
}

function parse(text: string): unknown {
  try {
    return parseLosslessJson(text);
  } catch {
    // Without the parser's error: what it knows of the text may be confidential.
    throw new HeadersInvalid('headers: not JSON');
  }
}

/** The `position` header of each event of one transaction; the common part is formatted once. */
export function positionHeaders(commitLsn: bigint): (ordinal: number) => string {
  const prefix = positionPrefix(commitLsn);
  return (ordinal) => prefix + ordinal.toString(16).padStart(8, '0');
}
