/** Whether a record is what its row says: key, type, headers and value. Pure; shares no code with the relay's encoder. */
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
  /** Without the framing; null for a tombstone. */
  readonly avro: Buffer | null;
  /** Of the value; undefined for a tombstone. */
  readonly schema: AvroNode | undefined;
};

export type Reading = {
  readonly bytes: BytesForm;
  /** Put before a type that has no dot; may be empty. */
  readonly namespace: string;
};

/** Headers that only the relay writes, or that it reads and leaves out. */
const relayHeaders: ReadonlySet<string> = new Set([
  'id',
  'type',
  'position',
  'schema-version',
  'committed-at',
  'replay-id',
  'backfill-id',
  'replayed-at',
]);

/** The first difference; undefined if there is none. */
export function recordDifference(
  record: ComparedRecord,
  row: EventRow,
  reading: Reading,
): Difference | undefined {
  if (!isText(record.key, row.key)) return { path: 'key', reason: 'a different key' };
  const type = record.headers.find(([name]) => name === 'type')?.[1] ?? null;
  if (!isText(type, row.type ?? '')) return { path: 'header type', reason: 'a different type' };
  if (!areHeaders(record.headers, row.headers)) return { path: 'headers', reason: 'different headers' };
  const difference = valueDifference(record, row, reading);
  return difference && { ...difference, path: `$${difference.path}` };
}

function valueDifference(
  { avro, schema }: ComparedRecord,
  { payload, type }: EventRow,
  { bytes, namespace }: Reading,
): Difference | undefined {
  const json = payload === null ? null : jsonOf(payload);
  if (json === undefined) return { path: '', reason: 'the payload of the row is not JSON' };
  if (avro === null || schema === undefined)
    return json === null
      ? undefined
      : { path: '', reason: 'the record has no value, but the row has a payload' };
  if (payload === null) return { path: '', reason: 'the record has a value, but the row has no payload' };
  return (
    differenceOf(schema, avro, json, bytes) ?? branchDifference(schema, avro, json, type ?? '', namespace)
  );
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
  } catch {
    return undefined;
  }
}

function isText(bytes: Buffer | null, text: string | null): boolean {
  if (bytes === null || text === null) return bytes === null && text === null;
  return bytes.equals(Buffer.from(text));
}

function areHeaders(headers: RecordHeaders, text: string | null): boolean {
  const own = text === null ? {} : jsonOf(text);
  if (!isJsonObject(own)) return false;
  const expected = Object.entries(own).filter(([name, value]) => !relayHeaders.has(name) && value !== null);
  const found = new Map(headers.filter(([name]) => !relayHeaders.has(name)));
  const isSame = expected.every(([name, value]) => isHeader(found.get(name) ?? null, value));
  // Each of the relay's own headers occurs once, too.
  const isOnce = new Set(headers.map(([name]) => name)).size === headers.length;
  return isSame && isOnce && found.size === expected.length;
}

function isHeader(bytes: Buffer | null, value: Json): boolean {
  if (typeof value === 'string') return isText(bytes, value);
  if (value instanceof JsonNumber)
    return isSameDecimal(readDecimal(bytes?.toString().replace('e+', 'e') ?? ''), readDecimal(value.source));
  return typeof value === 'boolean' && isText(bytes, String(value));
}
