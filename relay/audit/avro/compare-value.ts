/**
 * Whether bytes are what a payload means under a schema. It walks the bytes and the JSON side by side. It shares nothing
 * with the relay's writer, so that a fault of the writer is a difference here and not the same fault again.
 *
 * A value equals a payload if the writer may make it of that payload (docs/evidence/avro.md): a default for an absent
 * field, a number in another notation, a time in another offset. Any branch of a union within the payload will do, if the
 * value fits it as it stands or wrapped in the branch's name. If an event may be one of several named types, its `type`
 * decides (`compare-record.ts`).
 */
import { type AvroNode, branchName, resolved } from './avro-schema.ts';
import { BytesReader, Malformed } from './bytes-reader.ts';
import { integerOf, isJsonObject, type Json, JsonNumber } from './exact-json.ts';

/** How payloads write bytes and fixed; `latin1` in the defaults of a schema. */
export type BytesForm = 'base64' | 'base64url' | 'hex' | 'latin1';

/** The first difference: its place and the reason, without any value. */
export type Difference = { readonly path: string; readonly reason: string };

/** A default is in Avro's own JSON: bytes as latin1, logical types as their underlying types. */
type Form = { readonly bytes: BytesForm; readonly isDefault: boolean };

const defaultForm: Form = { bytes: 'latin1', isDefault: true };

/** Whether the bytes are exactly one value of the schema. */
export function fits(node: AvroNode, bytes: Buffer): boolean {
  const reader = new BytesReader(bytes);
  try {
    skip(node, reader);
    return reader.isAtEnd;
  } catch (error) {
    // The stack is deep enough for everything that the relay writes.
    if (error instanceof Malformed || error instanceof RangeError) return false;
    throw error;
  }
}

/**
 * Where a value and a payload differ; undefined if they are the same. The value must fit its schema.
 * @param bytesForm how payloads write bytes
 */
export function differenceOf(
  node: AvroNode,
  bytes: Buffer,
  json: Json,
  bytesForm: BytesForm,
): Difference | undefined {
  return compare(node, new BytesReader(bytes), json, { bytes: bytesForm, isDefault: false });
}

function skip(node: AvroNode, reader: BytesReader): void {
  const target = resolved(node);
  switch (target.kind) {
    case 'null':
      return;
    case 'boolean':
      reader.boolean();
      return;
    case 'int':
      reader.int();
      return;
    case 'long':
      reader.long();
      return;
    case 'float':
      reader.take(4);
      return;
    case 'double':
      reader.take(8);
      return;
    case 'string':
      reader.string();
      return;
    case 'bytes':
      reader.sized();
      return;
    case 'fixed':
      reader.take(target.size);
      return;
    case 'enum':
      symbolOf(target.symbols, reader);
      return;
    case 'array':
      reader.blocks(() => skip(target.items, reader));
      return;
    case 'map':
      reader.blocks(() => {
        reader.string();
        skip(target.items, reader);
      });
      return;
    case 'union':
      skip(branchOf(target.branches, reader), reader);
      return;
    case 'record':
      for (const { type } of target.fields) skip(type, reader);
  }
}

function branchOf(branches: readonly AvroNode[], reader: BytesReader): AvroNode {
  const branch = branches[Number(reader.long())];
  if (branch === undefined) throw new Malformed();
  return branch;
}

function symbolOf(symbols: readonly string[], reader: BytesReader): string {
  const symbol = symbols[Number(reader.int())];
  if (symbol === undefined) throw new Malformed();
  return symbol;
}

const different = (what: string): Difference => ({ path: '', reason: `a different ${what}` });

function within(difference: Difference | undefined, step: string): Difference | undefined {
  return difference && { ...difference, path: `${step}${difference.path}` };
}

function compare(node: AvroNode, reader: BytesReader, json: Json, form: Form): Difference | undefined {
  const target = resolved(node);
  switch (target.kind) {
    case 'null':
      return json === null ? undefined : { path: '', reason: 'null, but the payload has a value' };
    case 'boolean':
      return reader.boolean() === json ? undefined : different('boolean');
    case 'int':
    case 'long': {
      const value = target.kind === 'int' ? reader.int() : reader.long();
      return integerMeant(json, form.isDefault ? undefined : target.logical) === value
        ? undefined
        : different(target.kind);
    }
    case 'float': {
      const value = reader.take(4).readFloatLE();
      const real = realOf(json);
      return real !== undefined && Object.is(Math.fround(real), value) ? undefined : different('float');
    }
    case 'double': {
      const value = reader.take(8).readDoubleLE();
      return Object.is(realOf(json), value) ? undefined : different('double');
    }
    case 'string':
      return reader.string() === json ? undefined : different('string');
    case 'bytes':
    case 'fixed': {
      const value = target.kind === 'fixed' ? reader.take(target.size) : reader.sized();
      return areMeant(value, json, target, form) ? undefined : different(target.kind);
    }
    case 'enum':
      return symbolOf(target.symbols, reader) === json ? undefined : different('symbol');
    case 'array':
      return compareArray(target.items, reader, json, form);
    case 'map':
      return compareMap(target.items, reader, json, form);
    case 'union':
      return compareUnion(target.branches, reader, json, form);
    case 'record':
      return compareRecord(target, reader, json, form);
  }
}

/** undefined for what is no number: bytes that hold NaN must not equal it. */
function realOf(json: Json): number | undefined {
  return json instanceof JsonNumber ? Number(json.source) : undefined;
}

type LogicalNode = Extract<AvroNode, { logical?: unknown }>;

function integerMeant(json: Json, logical: LogicalNode['logical']): bigint | undefined {
  if (typeof json !== 'string') return integerOf(json);
  return logical?.on === 'integer' ? logical.meantBy(json) : undefined;
}

function areMeant(value: Buffer, json: Json, { logical }: LogicalNode, form: Form): boolean {
  if (!form.isDefault && logical?.on === 'bytes') return logical.isMeant(value, json);
  const text = form.bytes === 'hex' && typeof json === 'string' ? json.toLowerCase() : json;
  return value.toString(form.bytes) === text;
}

function compareArray(items: AvroNode, reader: BytesReader, json: Json, form: Form): Difference | undefined {
  if (!Array.isArray(json)) return different('array');
  let read = 0;
  const difference = reader.blocks((index) => {
    read++;
    if (index >= json.length) return different('number of items');
    return within(compare(items, reader, json[index], form), `[${index}]`);
  });
  return difference ?? (read === json.length ? undefined : different('number of items'));
}

function compareMap(values: AvroNode, reader: BytesReader, json: Json, form: Form): Difference | undefined {
  if (!isJsonObject(json)) return different('map');
  const seen = new Set<string>();
  const difference = reader.blocks(() => {
    const key = reader.string();
    if (!Object.hasOwn(json, key) || seen.has(key)) return different('key');
    seen.add(key);
    // The key is payload: the path leaves it out.
    return within(compare(values, reader, json[key]!, form), '[*]');
  });
  return difference ?? (seen.size === Object.keys(json).length ? undefined : different('number of keys'));
}

function compareRecord(
  { fields }: Extract<AvroNode, { kind: 'record' }>,
  reader: BytesReader,
  json: Json,
  form: Form,
): Difference | undefined {
  if (!isJsonObject(json)) return different('record');
  const declared = fields.filter(({ name }) => Object.hasOwn(json, name)).length;
  // Checked first, to distinguish a value wrapped in the name of its branch from a record.
  if (Object.keys(json).length !== declared)
    return { path: '', reason: 'the payload has a field that the schema does not have' };
  for (const { name, type, fallback } of fields) {
    const isThere = Object.hasOwn(json, name);
    if (!isThere && fallback === undefined)
      return { path: `.${name}`, reason: 'the payload does not have this field' };
    const difference = isThere
      ? compare(type, reader, json[name]!, form)
      : compare(type, reader, fallback!, defaultForm);
    if (difference !== undefined) return within(difference, `.${name}`);
  }
  return undefined;
}

function compareUnion(
  branches: readonly AvroNode[],
  reader: BytesReader,
  json: Json,
  form: Form,
): Difference | undefined {
  const branch = branchOf(branches, reader);
  const start = reader.at;
  const difference = compare(branch, reader, json, form);
  const name = branchName(branch);
  if (difference === undefined || form.isDefault || !isWrapped(json, name)) return difference;
  reader.at = start;
  return within(compare(branch, reader, json[name]!, form), `["${name}"]`);
}

export function isWrapped(json: Json, name: string): json is { readonly [key: string]: Json } {
  return isJsonObject(json) && Object.hasOwn(json, name) && Object.keys(json).length === 1;
}
