/** The headers of a record: ours first, then the row's own. */
import { positionPrefix } from '../position.ts';

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
    if (typeof value === 'object')
      throw new HeadersInvalid('headers: every value must be a string, number or boolean');
    headers[name] = String(value);
  }
  return headers;
}

function parseObject(text: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may be confidential.
    throw new HeadersInvalid('headers: not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new HeadersInvalid('headers: must be a JSON object');
  return parsed as Record<string, unknown>;
}

/** The `position` header of each event of one transaction; the common part is formatted once. */
export function positionHeaders(commitLsn: bigint): (ordinal: number) => string {
  const prefix = positionPrefix(commitLsn);
  return (ordinal) => prefix + ordinal.toString(16).padStart(8, '0');
}
