/**
 * Whether a record is what its row says: key, headers and value. Pure; shares no code with the relay's encoder.
 *
 * The settings of `records` may have changed since a record was written, so its value is compared in the form that it has,
 * and a header that holds a field of the row may have another name, or be absent. Such a record is said to be of other
 * settings. Under the default names the type must be there.
 */
import { areDefaultHeaders, fixedHeaders, type HeaderField } from '../config/record-headers.ts';
import type { ValueFormatName } from '../config/value-format.ts';
import type { RecordHeaders } from '../publish/wire/record-batch.ts';
import { type AvroNode, branchName, resolved } from './avro/avro-schema.ts';
import { BytesReader } from './avro/bytes-reader.ts';
import { type BytesForm, type Difference, differenceOf, isWrapped } from './avro/compare-value.ts';
import {
  isJsonObject,
  isSameDecimal,
  type Json,
  JsonNumber,
  readDecimal,
  readJson,
} from './avro/exact-json.ts';
import type { EventRow } from './read-rows.ts';

export type ComparedRecord = {
  readonly key: Buffer | null;
  readonly headers: RecordHeaders;
  /** null for a tombstone. */
  readonly value: ComparedValue | null;
};

export type ComparedValue =
  /** Without the framing. */
  | { readonly format: 'avro'; readonly avro: Buffer; readonly schema: AvroNode }
  | { readonly format: 'json'; readonly text: Buffer };

export type Reading = {
  readonly bytes: BytesForm;
  /** Put before a type that has no dot; may be empty. */
  readonly namespace: string;
  /** Of the record's topic. */
  readonly format: ValueFormatName;
  /** `records.headers` */
  readonly headers: Readonly<Record<string, HeaderField>>;
};

export type Comparison = {
  /** The first; undefined if there is none. */
  readonly difference: Difference | undefined;
  /** Whether it was written under other settings of `records`; only of a record without a difference. */
  readonly isOfOtherSettings: boolean;
};

export function compareRecord(record: ComparedRecord, row: EventRow, reading: Reading): Comparison {
  if (!isText(record.key, row.key)) return different('key', 'a different key');
  const headers = compareHeaders(record.headers, row, reading.headers);
  if (headers.difference !== undefined) return headers;
  const difference = valueDifference(record, row, reading);
  if (difference !== undefined) return { difference, isOfOtherSettings: false };
  const hasOtherForm = record.value !== null && record.value.format !== reading.format;
  return { difference, isOfOtherSettings: hasOtherForm || headers.isOfOtherSettings };
}

const different = (path: string, reason: string): Comparison => ({
  difference: { path, reason },
  isOfOtherSettings: false,
});

function valueDifference(
  { value }: ComparedRecord,
  { payload, type }: EventRow,
  { bytes, namespace }: Reading,
): Difference | undefined {
  const json = payload === null ? null : jsonOf(payload);
  if (json === undefined) return { path: '$', reason: 'the payload of the row is not JSON' };
  if (value === null)
    return json === null
      ? undefined
      : { path: '$', reason: 'the record has no value, but the row has a payload' };
  if (payload === null) return { path: '$', reason: 'the record has a value, but the row has no payload' };
  // Equal as JSON is not enough: digits, escapes and names that occur twice are what the writer meant.
  if (value.format === 'json')
    return isText(value.text, payload) ? undefined : { path: '$', reason: 'not the text of the payload' };
  const { schema, avro } = value;
  const difference =
    differenceOf(schema, avro, json, bytes) ?? branchDifference(schema, avro, json, type ?? '', namespace);
  return difference && { ...difference, path: `$${difference.path}` };
}

/** In a union of several named types, the event's type says which one it is; the fields may fit several. */
function branchDifference(
  schema: AvroNode,
  avro: Buffer,
  json: Json,
  type: string,
  namespace: string,
): Difference | undefined {
  const root = resolved(schema);
  if (root.kind !== 'union') return undefined;
  const named = root.branches.map(resolved).filter((branch) => 'name' in branch);
  if (named.length < 2) return undefined;
  const branch = resolved(root.branches[Number(new BytesReader(avro).long())]!);
  if (branch.kind === 'null') return undefined;
  const meant = named.filter(({ name, aliases }) => isNamed([name, ...aliases], type, namespace));
  if (meant.length === 0 && isWrapped(json, branchName(branch))) return undefined;
  if (meant.some((each) => each === branch)) return undefined;
  return { path: '', reason: 'a different branch than the event’s type names' };
}

function isNamed(names: readonly string[], type: string, namespace: string): boolean {
  if (names.includes(type)) return true;
  if (type.includes('.')) return false;
  if (namespace !== '') return names.includes(`${namespace}.${type}`);
  return names.some((name) => name.endsWith(`.${type}`));
}

function jsonOf(text: string): Json | undefined {
  try {
    return readJson(text);
  } catch (error) {
    // Anything else is a fault of this program, and says nothing of the payload.
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

function isText(bytes: Buffer | null, text: string | null): boolean {
  if (bytes === null || text === null) return bytes === null && text === null;
  return bytes.equals(Buffer.from(text));
}

/** Names of fields of a row, and their texts. */
const textOf: Readonly<Record<HeaderField, (row: EventRow) => string>> = {
  id: ({ id }) => id,
  type: ({ type }) => type ?? '',
  aggregatetype: ({ aggregatetype }) => aggregatetype ?? '',
  aggregateid: ({ key }) => key ?? '',
};

function compareHeaders(headers: RecordHeaders, row: EventRow, settings: Reading['headers']): Comparison {
  const own = row.headers === null ? {} : jsonOf(row.headers);
  // Each header occurs once.
  if (!isJsonObject(own) || new Set(headers.map(([name]) => name)).size < headers.length)
    return differentHeaders;
  const found = new Map(headers);
  const expected = new Map(
    Object.entries(own).filter(
      ([name, value]) => !fixedHeaders.has(name) && name !== 'type' && value !== null,
    ),
  );
  const named = new Map(Object.entries(settings));
  const isField = (value: Buffer | null) => Object.values(textOf).some((text) => isText(value, text(row)));
  let isLacking = false;
  let isOther = false;
  for (const [name, field] of named) {
    const value = found.get(name);
    if (value === undefined) isLacking = true;
    else if (!isText(value, textOf[field](row))) {
      // Under an earlier setting this name was left to the rows.
      if (!expected.has(name) || !isHeader(value, expected.get(name)!))
        return different(`header ${name}`, `a different ${field}`);
      isOther = true;
    }
  }
  for (const [name, value] of expected) {
    if (named.has(name) || isHeader(found.get(name) ?? null, value)) continue;
    // Under an earlier setting this name was the relay's.
    if (!found.has(name) || !isField(found.get(name)!)) return differentHeaders;
    isOther = true;
  }
  for (const [name, value] of found) {
    if (fixedHeaders.has(name) || named.has(name) || expected.has(name)) continue;
    // Under an earlier setting this name was the relay's.
    if (!isField(value)) return differentHeaders;
    isOther = true;
  }
  // Under an earlier setting the type had another name.
  if (isLacking && !isOther && areDefaultHeaders({ headers: settings }))
    return different('header type', 'a different type');
  return { difference: undefined, isOfOtherSettings: isLacking || isOther };
}

const differentHeaders = different('headers', 'different headers');

function isHeader(bytes: Buffer | null, value: Json): boolean {
  if (typeof value === 'string') return isText(bytes, value);
  if (value instanceof JsonNumber)
    return isSameDecimal(readDecimal(bytes?.toString().replace('e+', 'e') ?? ''), readDecimal(value.source));
  return typeof value === 'boolean' && isText(bytes, String(value));
}
