/**
 * Owns the reading of Avro schemas. avsc parses them and resolves names. This file keeps three things that avsc would
 * lose: longs decode to `bigint` over all 64 bits, logical types keep their attributes, and defaults stay the JSON that
 * the schema has (avsc rounds them and allows only the first branch of a union).
 */
import avsc from 'avsc';
import { messageOf, RelayError } from '../../../errors.ts';
import { type JsonValue, parseLosslessJson } from '../json.ts';
import { isLogicalName, type LogicalName, logicalNames } from './logical-types.ts';

const builtInNames = new Set(
  'null boolean int long float double bytes string record error enum array map fixed'.split(' '),
);

interface SchemaObject {
  readonly type?: unknown;
  readonly logicalType?: unknown;
  readonly precision?: unknown;
  readonly scale?: unknown;
  readonly fields?: unknown;
}

/** Decodes to the underlying type: a decimal to its bytes, a timestamp to its count. */
export class LogicalType extends avsc.types.LogicalType {
  readonly logicalName: LogicalName;
  readonly precision: unknown;
  readonly scale: unknown;

  constructor(schema: SchemaObject, options: unknown) {
    super(schema as ConstructorParameters<typeof avsc.types.LogicalType>[0], options);
    this.logicalName = schema.logicalType as LogicalName;
    this.precision = schema.precision;
    this.scale = schema.scale;
  }

  protected override _fromValue(value: unknown): unknown {
    return value;
  }

  protected override _toValue(value: unknown): unknown {
    return value;
  }

  protected override _resolve(): (value: unknown) => unknown {
    return (value) => value;
  }
}

/** A `bigint` of all 64 bits. avsc's own `long` refuses what a double does not hold. */
export const bigLong = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: (value: number | bigint | string) => BigInt(value),
  toJSON: (value: bigint) => String(value),
  isValid: (value: unknown) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
  compare: (left: bigint, right: bigint) => (left < right ? -1 : left > right ? 1 : 0),
});

type FieldDefaults = ReadonlyMap<string, JsonValue>;
const defaultsByRecord = new WeakMap<avsc.Type, FieldDefaults>();

/** The defaults of a record's fields, as the schema has them. Only for types that `parseAvroSchema` made. */
export function fieldDefaults(record: avsc.Type): FieldDefaults {
  const defaults = defaultsByRecord.get(record);
  if (defaults === undefined)
    throw new RelayError('INTERNAL', 'parseAvroSchema did not make this Avro type.');
  return defaults;
}

type Registry = { [name: string]: avsc.Type };

/**
 * The type that a schema describes. `references` are the texts of the named schemas that it and they refer to, in any
 * order. Throws `SCHEMA_INVALID`.
 *
 * The type also decodes what `compileWriter` writes: `long` to `bigint`, bytes to `Buffer`, unions unwrapped unless
 * two of their branches look alike. Its fields carry no defaults, so it cannot serve as a reader's schema.
 */
export function parseAvroSchema(schemaText: string, references: readonly string[] = []): avsc.Type {
  return parseWith(schemaText, parseReferences(references));
}

function parseReferences(references: readonly string[]): Registry {
  let registry: Registry = Object.create(null);
  let pending = [...new Set(references)];
  while (pending.length > 0) {
    const failed: string[] = [];
    let lastError: unknown;
    for (const text of pending) {
      // A copy, because a schema that fails half-way leaves names behind.
      const attempt: Registry = Object.assign(Object.create(null), registry);
      try {
        parseWith(text, attempt);
        registry = attempt;
      } catch (error) {
        failed.push(text);
        lastError = error;
      }
    }
    // Repeat while a round makes progress: a text may need a name that a later one defines.
    if (failed.length === pending.length) throw lastError;
    pending = failed;
  }
  return registry;
}

function parseWith(schemaText: string, registry: Registry): avsc.Type {
  const schema = parseJson(schemaText);
  try {
    return avsc.Type.forSchema(schema as AvscSchema, {
      registry,
      typeHook: typeHook(),
      logicalTypes: Object.fromEntries(logicalNames.map((name) => [name, LogicalType])) as LogicalTypes,
    });
  } catch (error) {
    const reason = messageOf(error);
    throw new RelayError('SCHEMA_INVALID', `The schema is not valid Avro: ${reason}`, { cause: error });
  }
}

function parseJson(schemaText: string): JsonValue {
  try {
    return parseLosslessJson(schemaText);
  } catch (cause) {
    throw new RelayError('SCHEMA_INVALID', 'The schema is not valid Avro: it is not JSON.', { cause });
  }
}

type AvscSchema = Parameters<typeof avsc.Type.forSchema>[0];
type AvscOptions = NonNullable<Parameters<typeof avsc.Type.forSchema>[1]>;
type LogicalTypes = NonNullable<AvscOptions['logicalTypes']>;
type TypeHook = NonNullable<AvscOptions['typeHook']>;

/** avsc calls it for every schema, and again for one that the hook or a logical type passes back to avsc. */
function typeHook(): TypeHook {
  const seen = new Set<unknown>();
  return (schema, options) => {
    if ((schema as unknown) === 'long') return bigLong;
    if (!isSchemaObject(schema)) return undefined;
    const isAgain = seen.has(schema);
    seen.add(schema);
    // {"type": {…}} and {"type": "a.Name"} mean what they hold; avsc allows only built-in names there.
    if (typeof schema.type === 'object' || !builtInNames.has(String(schema.type))) {
      return avsc.Type.forSchema(schema.type as AvscSchema, options);
    }
    if (schema.type === 'long') return isAgain || !isLogicalName(schema.logicalType) ? bigLong : undefined;
    if (isAgain || (schema.type !== 'record' && schema.type !== 'error')) return undefined;
    const defaults = takeDefaults(schema.fields);
    const type = avsc.Type.forSchema(schema as AvscSchema, options);
    defaultsByRecord.set(type, defaults);
    return type;
  };
}

function isSchemaObject(schema: unknown): schema is SchemaObject {
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema) && !avsc.Type.isType(schema);
}

/** Removes the defaults from `fields`, which nobody else uses, and returns them by name. */
function takeDefaults(fields: unknown): FieldDefaults {
  const defaults = new Map<string, JsonValue>();
  if (!Array.isArray(fields)) return defaults;
  for (const field of fields as { name: string; default?: JsonValue }[]) {
    if (field.default === undefined) continue;
    defaults.set(field.name, field.default);
    delete field.default;
  }
  return defaults;
}
