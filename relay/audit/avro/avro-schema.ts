/**
 * Reads the text of an Avro schema into what the audit needs. It accepts every schema that it can interpret: whether a
 * default fits its type, for example, does not matter for values that are already written.
 */
import { isJsonObject, type Json, JsonNumber, readJson } from './exact-json.ts';
import { type Logical, logicalOf } from './logical.ts';

export type Primitive = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'string' | 'bytes';

export type AvroField = {
  readonly name: string;
  readonly type: AvroNode;
  /** undefined if the schema has none. */
  readonly fallback: Json | undefined;
};

export type AvroNode =
  | { readonly kind: Primitive; readonly logical?: Logical | undefined }
  | {
      readonly kind: 'fixed';
      readonly name: string;
      readonly aliases: readonly string[];
      readonly size: number;
      readonly logical?: Logical | undefined;
    }
  | {
      readonly kind: 'enum';
      readonly name: string;
      readonly aliases: readonly string[];
      readonly symbols: readonly string[];
    }
  | {
      readonly kind: 'record';
      readonly name: string;
      readonly aliases: readonly string[];
      readonly fields: AvroField[];
    }
  | { readonly kind: 'array' | 'map'; readonly items: AvroNode }
  | { readonly kind: 'union'; readonly branches: readonly AvroNode[] }
  | { readonly kind: 'reference'; readonly resolve: () => AvroNode };

const primitives: ReadonlySet<unknown> = new Set<Primitive>([
  'null',
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'string',
  'bytes',
]);

/** Why a text is not a schema; the message shows none of it. */
export class NoSchema extends Error {}

/** @param references texts of the named schemas that it uses, in any order */
export function readAvroSchema(text: string, references: readonly string[]): AvroNode {
  const reader = new SchemaReader();
  for (const each of references) reader.read(parse(each), '');
  const root = reader.read(parse(text), '');
  reader.resolveAll();
  return root;
}

/** The name of a union's branch in Avro's own JSON. */
export function branchName(node: AvroNode): string {
  const target = resolved(node);
  return 'name' in target ? target.name : target.kind;
}

/** The type that references lead to. */
export function resolved(node: AvroNode): Exclude<AvroNode, { kind: 'reference' }> {
  let target = node;
  while (target.kind === 'reference') target = target.resolve();
  return target;
}

function parse(text: string): Json {
  try {
    return readJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new NoSchema('not JSON');
  }
}

class SchemaReader {
  readonly #named = new Map<string, AvroNode>();
  readonly #references: (() => AvroNode)[] = [];

  /** @param namespace of the enclosing type */
  read(schema: Json, namespace: string): AvroNode {
    if (typeof schema === 'string') return this.#byName(schema, namespace);
    if (Array.isArray(schema))
      return { kind: 'union', branches: schema.map((branch) => this.read(branch, namespace)) };
    if (!isJsonObject(schema)) throw new NoSchema('a type is neither a name nor an object');
    const { type } = schema;
    switch (type) {
      case 'array':
      case 'map':
        return { kind: type, items: this.read(schema[type === 'array' ? 'items' : 'values']!, namespace) };
      case 'record':
      case 'error':
        return this.#record(schema, namespace);
      case 'enum':
        return this.#define(schema, namespace, (names) => ({
          kind: 'enum',
          ...names,
          symbols: textsOf(schema.symbols),
        }));
      case 'fixed': {
        const size = numberOf(schema.size) ?? -1;
        if (!Number.isSafeInteger(size) || size < 0) throw new NoSchema('a fixed without a size');
        const logical = readLogical(schema, 'fixed', size);
        return this.#define(schema, namespace, (names) => ({ kind: 'fixed', ...names, size, logical }));
      }
    }
    if (!primitives.has(type)) return this.read(type ?? null, namespace);
    const kind = type as Primitive;
    return { kind, logical: readLogical(schema, kind, undefined) };
  }

  /** Checks that every used name is defined. */
  resolveAll(): void {
    for (const resolve of this.#references) resolve();
  }

  #byName(name: string, namespace: string): AvroNode {
    if (primitives.has(name)) return { kind: name as Primitive };
    const candidates = [fullName(name, namespace), name];
    const resolve = (): AvroNode => {
      const found = candidates.map((each) => this.#named.get(each)).find((each) => each !== undefined);
      if (found === undefined) throw new NoSchema('it uses a name that nothing defines');
      return found;
    };
    this.#references.push(resolve);
    return { kind: 'reference', resolve };
  }

  #record(schema: { readonly [key: string]: Json }, namespace: string): AvroNode {
    if (!Array.isArray(schema.fields)) throw new NoSchema('a record without fields');
    const fields: AvroField[] = [];
    const node = this.#define(schema, namespace, (names) => ({ kind: 'record', ...names, fields }));
    const inner = namespaceOf((node as { name: string }).name);
    for (const field of schema.fields as readonly Json[]) {
      if (!isJsonObject(field) || typeof field.name !== 'string')
        throw new NoSchema('a field without a name');
      fields.push({ name: field.name, type: this.read(field.type!, inner), fallback: field.default });
    }
    return node;
  }

  #define(
    schema: { readonly [key: string]: Json },
    namespace: string,
    make: (names: { name: string; aliases: string[] }) => AvroNode,
  ): AvroNode {
    if (typeof schema.name !== 'string') throw new NoSchema('a type without a name');
    const own = typeof schema.namespace === 'string' ? schema.namespace : namespace;
    const name = fullName(schema.name, own);
    const aliases = textsOf(schema.aliases ?? []).map((each) => fullName(each, namespaceOf(name)));
    const node = make({ name, aliases });
    this.#named.set(name, node);
    return node;
  }
}

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
}

const namespaceOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('.')));

function textsOf(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function numberOf(value: Json | undefined): number | undefined {
  return value instanceof JsonNumber ? Number(value.source) : undefined;
}

/** Where it stands on a type that it does not belong on, it counts for nothing, as Avro has it. */
function readLogical(
  schema: { readonly [key: string]: Json },
  kind: Primitive | 'fixed',
  size: number | undefined,
): Logical | undefined {
  const precision = numberOf(schema.precision);
  const scale = schema.scale === undefined ? 0 : numberOf(schema.scale);
  return logicalOf(schema.logicalType, { kind, size, precision, scale });
}
