/** Owns the headers of a record: ours first, then the row's own. */
import type { OutboxRow } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { areDefaultHeaders, type HeaderField } from '../config/record-headers.ts';
import { type Lsn, type Position, positionPrefix } from '../model/position.ts';
import { ExactNumber } from './formats/exact-number.ts';
import { parseLosslessJson } from './formats/json.ts';
import { committedAtHeader } from './record-time.ts';
import { backfillIdHeader, replayedAtHeader, replayIdHeader } from './replay-headers.ts';
import { splitHeader } from './split-header.ts';

/** A row's wish for a version of its schema. It goes no further: what a reader needs is the id in the value. */
const versionHeader = 'schema-version';

/** Headers that only the relay writes or reads, whatever the settings; a row's own of these names are left out. */
const reserved: ReadonlySet<string> = new Set([
  'id',
  'type',
  'position',
  versionHeader,
  committedAtHeader,
  splitHeader,
  replayIdHeader,
  backfillIdHeader,
  replayedAtHeader,
]);

/** Why the headers column cannot be used. */
export class HeadersInvalid extends Error {}

/** Headers that hold a field of the row, as `records.headers` names them. */
export type FieldHeaders = {
  readonly entries: readonly (readonly [name: string, field: HeaderField])[];
  readonly names: ReadonlySet<string>;
};

/** @returns undefined for the default, for which headers are built without a loop */
export function fieldHeadersOf(records: Pick<Config['records'], 'headers'>): FieldHeaders | undefined {
  if (areDefaultHeaders(records)) return undefined;
  const entries = Object.entries(records.headers);
  return { entries, names: new Set(entries.map(([name]) => name)) };
}

type HeaderRow = Pick<OutboxRow, HeaderField | 'headers'>;

/**
 * Of the headers column, strings are taken as they are, numbers and booleans as JSON prints them; null means that the
 * header is absent.
 * @param movedFromMs the commit time, where the timestamp of the record differs from it
 * @param fields undefined: the type under its own name
 * @throws HeadersInvalid where the column holds no JSON object of such values
 */
export function buildHeaders(
  row: HeaderRow,
  position: string,
  movedFromMs?: number,
  fields?: FieldHeaders,
): Record<string, string> {
  const { id, type, headers: own } = row;
  const headers: Record<string, string> =
    fields === undefined ? { id: id ?? '', type: type ?? '', position } : namedHeaders(row, position, fields);
  if (movedFromMs !== undefined) headers[committedAtHeader] = new Date(movedFromMs).toISOString();
  if (own === null || own === '{}') return headers;
  for (const [name, value] of Object.entries(parseObject(own))) {
    if (reserved.has(name) || value === null || fields?.names.has(name) === true) continue;
    const text = headerText(value);
    // Assigned, `__proto__` would be lost.
    if (name === '__proto__') Object.defineProperty(headers, name, { value: text, enumerable: true });
    else headers[name] = text;
  }
  return headers;
}

function namedHeaders(row: HeaderRow, position: string, { entries }: FieldHeaders): Record<string, string> {
  const headers: Record<string, string> = { id: row.id ?? '' };
  for (const [name, field] of entries) headers[name] = row[field] ?? '';
  headers.position = position;
  return headers;
}

/** Whether it may name a version. Nearly no row does, and only rows that may are parsed for it. */
export function mayNameVersion(own: string | null): boolean {
  return own !== null && own !== '{}' && (own.includes(versionHeader) || own.includes('\\u'));
}

/**
 * The version of the schema that a row asks for, or null.
 * @param own the headers column
 * @throws HeadersInvalid also where it is not the number of a version
 */
export function namedVersion(own: string | null): number | null {
  if (own === null || !mayNameVersion(own)) return null;
  const value = parseObject(own)[versionHeader] ?? null;
  if (value === null) return null;
  if (!/^[1-9]\d{0,8}$/.test(headerText(value)))
    throw new HeadersInvalid(`headers: ${versionHeader} must be the number of a version, from 1`);
  return Number(value);
}

/** One of a row's own headers, also of a row that cannot be published; undefined where it is no text or cannot be read. */
export function ownHeader(own: string | null, name: string): string | undefined {
  if (own === null || !own.includes(name)) return undefined;
  try {
    const value = parseObject(own)[name];
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
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

/** Prints the `position` header. Formats the part that all events of one transaction share once for all of them. */
export class PositionPrinter {
  #commitLsn: Lsn | undefined;
  #prefix = '';

  print({ commitLsn, ordinal }: Position): string {
    if (commitLsn !== this.#commitLsn) {
      this.#commitLsn = commitLsn;
      this.#prefix = positionPrefix(commitLsn);
    }
    return this.#prefix + ordinal.toString(16).padStart(8, '0');
  }
}
