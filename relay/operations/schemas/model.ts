/**
 * An Avro schema as a tree, for comparing versions and generating types: names resolved, with aliases, documentation and
 * defaults as the text has them. `parseAvroSchema` decides what is valid; this reads what it accepted.
 */
import { counts, isLogicalName, type LogicalName } from '../../encode/formats/avro/logical-types.ts';
import { parseAvroSchema } from '../../encode/formats/avro/writer.ts';
import { type JsonValue, parseLosslessJson } from '../../encode/formats/json.ts';

/** A logical type that counts: one whose underlying type does not fit it is left out, as the writer leaves it out. */
export type Logical = { readonly name: LogicalName; readonly precision?: number; readonly scale?: number };

export const primitives = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const;
export type Primitive = (typeof primitives)[number];

type Named = { readonly name: string; readonly aliases: readonly string[]; readonly doc: string | undefined };

export type PrimitiveNode = { readonly kind: Primitive; readonly logical: Logical | undefined };
export type FixedNode = Named & {
  readonly kind: 'fixed';
  readonly size: number;
  readonly logical: Logical | undefined;
};
export type EnumNode = Named & {
  readonly kind: 'enum';
  readonly symbols: readonly string[];
  readonly fallback: string | undefined;
};
/** `fields` is filled after the node is made: a record may hold itself. */
export type RecordNode = Named & { readonly kind: 'record'; readonly fields: readonly Field[] };
export type ArrayNode = { readonly kind: 'array'; readonly items: Node };
export type MapNode = { readonly kind: 'map'; readonly values: Node };
export type UnionNode = { readonly kind: 'union'; readonly branches: readonly Node[] };
export type Node = PrimitiveNode | FixedNode | EnumNode | RecordNode | ArrayNode | MapNode | UnionNode;

export type Field = {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly doc: string | undefined;
  readonly type: Node;
  /** As in the schema; undefined where there is none (a default of null is null). */
  readonly fallback: JsonValue | undefined;
};

export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * The tree of a schema. `references` are the texts of named schemas it refers to, what one builds on before it.
 * @throws RelayError SCHEMA_INVALID
 */
export function readModel(schemaText: string, references: readonly string[] = []): Node {
  parseAvroSchema(schemaText, references);
  const names = new Map<string, Node>();
  for (const text of references) new Reader(names).read(parseLosslessJson(text), '');
  return new Reader(names).read(parseLosslessJson(schemaText), '');
}

class Reader {
  readonly #names: Map<string, Node>;

  constructor(names: Map<string, Node>) {
    this.#names = names;
  }

  /** @param namespace of what stands around it */
  read(schema: JsonValue, namespace: string): Node {
    if (typeof schema === 'string') return this.#byName(schema, namespace);
    if (Array.isArray(schema))
      return { kind: 'union', branches: schema.map((branch) => this.read(branch, namespace)) };
    return this.#readObject(schema as JsonObject, namespace);
  }

  #byName(name: string, namespace: string): Node {
    if (isPrimitive(name)) return { kind: name, logical: undefined };
    return (this.#names.get(qualify(name, namespace)) ?? this.#names.get(name))!;
  }

  #readObject(schema: JsonObject, namespace: string): Node {
    const { type } = schema;
    switch (type) {
      case 'record':
      case 'error':
        return this.#readRecord(schema, namespace);
      case 'enum':
        return this.#readEnum(schema, namespace);
      case 'fixed': {
        const size = Number(schema.size);
        const node: FixedNode = {
          kind: 'fixed',
          ...named(schema, namespace),
          size,
          logical: logicalOf(schema, 'fixed', size),
        };
        return this.#define(node);
      }
      case 'array':
        return { kind: 'array', items: this.read(schema.items!, namespace) };
      case 'map':
        return { kind: 'map', values: this.read(schema.values!, namespace) };
      default:
        if (typeof type === 'string' && isPrimitive(type))
          return { kind: type, logical: logicalOf(schema, type, undefined) };
        return this.read(type!, namespace);
    }
  }

  #readRecord(schema: JsonObject, namespace: string): Node {
    const fields: Field[] = [];
    const node: RecordNode = { kind: 'record', ...named(schema, namespace), fields };
    this.#define(node);
    const inner = namespaceOf(node.name);
    for (const field of schema.fields as JsonObject[]) {
      fields.push({
        name: String(field.name),
        aliases: texts(field.aliases),
        doc: text(field.doc),
        type: this.read(field.type!, inner),
        fallback: field.default,
      });
    }
    return node;
  }

  #readEnum(schema: JsonObject, namespace: string): Node {
    return this.#define({
      kind: 'enum',
      ...named(schema, namespace),
      symbols: texts(schema.symbols),
      fallback: text(schema.default),
    });
  }

  #define<T extends FixedNode | EnumNode | RecordNode>(node: T): T {
    this.#names.set(node.name, node);
    return node;
  }
}

function named(schema: JsonObject, outer: string): Named {
  const own = text(schema.namespace);
  const name = qualify(String(schema.name), own ?? outer);
  return {
    name,
    aliases: texts(schema.aliases).map((alias) => qualify(alias, namespaceOf(name))),
    doc: text(schema.doc),
  };
}

function qualify(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
}

function namespaceOf(fullName: string): string {
  return fullName.slice(0, Math.max(0, fullName.lastIndexOf('.')));
}

/** A full name without its namespace: what Avro compares names by. */
export function shortName(fullName: string): string {
  return fullName.slice(fullName.lastIndexOf('.') + 1);
}

function isPrimitive(name: string): name is Primitive {
  return (primitives as readonly string[]).includes(name);
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function texts(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function logicalOf(schema: JsonObject, kind: string, size: number | undefined): Logical | undefined {
  const { logicalType: name, precision, scale = 0 } = schema;
  if (!isLogicalName(name) || !counts(name, schema, { kind, size })) return undefined;
  if (name !== 'decimal') return { name };
  return { name, precision: precision as number, scale: scale as number };
}

/** A type in a few words: `decimal(18, 4)`, `array of shop.Line`, `null or string`. */
export function describeType(node: Node): string {
  switch (node.kind) {
    case 'record':
      return `record ${node.name}`;
    case 'enum':
      return `enum ${node.name}`;
    case 'fixed':
      return node.logical === undefined
        ? `fixed ${node.name}(${node.size})`
        : `${describeLogical(node.logical)} on fixed ${node.name}(${node.size})`;
    case 'array':
      return `array of ${describeType(node.items)}`;
    case 'map':
      return `map of ${describeType(node.values)}`;
    case 'union':
      return node.branches.map(describeType).join(' or ') || 'an empty union';
    default:
      return node.logical === undefined ? node.kind : describeLogical(node.logical);
  }
}

export function describeLogical({ name, precision, scale }: Logical): string {
  return name === 'decimal' ? `decimal(${precision}, ${scale})` : name;
}
