/**
 * Compiles a schema, once, into a function that writes JSON values as Avro binary, strictly and exactly. avsc reads the
 * schema (`schema.ts`). The writer is our own, because avsc accepts undeclared fields, NaN and lone surrogates, and
 * refuses longs beyond 2^53. The promise that a value is valid under the schema whose id it carries rests on this file.
 */
import type avsc from 'avsc';
import { RelayError } from '../../../errors.ts';
import { ByteSink } from '../byte-sink.ts';
import type { BytesForm, SchemaWriters, ValueWriter } from '../format.ts';
import { describe, ValueMismatch } from '../mismatch.ts';
import type { Codec, Form } from './codec.ts';
import { array, map } from './collection.ts';
import { int, long } from './integers.ts';
import { counts, specOf } from './logical-types.ts';
import { resetNesting } from './nesting.ts';
import { boolean, bytes, double, enumeration, fixed, float, nothing, string } from './primitives.ts';
import { type RecordField, record } from './record.ts';
import { bigLong, fieldDefaults, LogicalType } from './schema.ts';
import { type Branch, type NamedKind, onlyBranch, union, wrappedBranch } from './union.ts';

export { parseAvroSchema } from './schema.ts';

/** The writer of `compileSchema` that ignores names. */
export function compileWriter(type: avsc.Type, bytesForm: BytesForm = 'base64'): ValueWriter {
  return compileSchema(type, bytesForm).write;
}

/**
 * The writers for a type that `parseAvroSchema` made.
 * @param bytesForm how a payload writes bytes and fixed
 */
export function compileSchema(type: avsc.Type, bytesForm: BytesForm = 'base64'): SchemaWriters {
  return new Compiler(bytesForm).compile(type);
}

function writerOf({ expected, found }: Codec, tryWrite: Codec['tryWrite']): ValueWriter {
  return (value, sink) => {
    resetNesting();
    if (!tryWrite(value, sink)) throw new ValueMismatch(expected, found(value));
  };
}

class Compiler {
  /** By type, so that a record that holds itself is compiled once. */
  private readonly codecs: Record<Form, Map<avsc.Type, Codec>> = { payload: new Map(), default: new Map() };
  /** Encoded when all types are compiled: a default may be of a record that is still being compiled. */
  private readonly pendingDefaults: (() => void)[] = [];
  private readonly faults: string[] = [];
  private readonly bytesForm: Readonly<Record<Form, BytesForm>>;

  constructor(bytesForm: BytesForm) {
    this.bytesForm = { payload: bytesForm, default: 'latin1' };
  }

  compile(type: avsc.Type): SchemaWriters {
    const codec = this.codecOf(type, 'payload');
    const isUnion = isUnionType(type);
    const branches = isUnion ? this.branchesOf(type, 'payload') : [];
    for (const encodeDefault of this.pendingDefaults) encodeDefault();
    const write = writerOf(codec, codec.tryWrite);
    const types = isUnion ? type.types : [type];
    const named = types.flatMap((each, index) => {
      const { name, aliases } = namesOf(each);
      if (name === undefined) return [];
      const only = isUnion ? writerOf(branches[index]!.codec, onlyBranch(branches, index)) : write;
      return [{ name, aliases, write: only }];
    });
    const writeWrapped = writerOf(wrapped(codec), wrappedBranch(branches));
    return { write, isUnion, named, writeWrapped, faults: this.faults };
  }

  private codecOf(type: avsc.Type, form: Form): Codec {
    const known = this.codecs[form].get(type);
    if (known !== undefined) return known;
    const codec = this.make(type, form);
    this.codecs[form].set(type, codec);
    return codec;
  }

  private make(type: avsc.Type, form: Form): Codec {
    if (type instanceof LogicalType) {
      return (form === 'payload' ? logicalCodec(type) : undefined) ?? this.codecOf(type.underlyingType, form);
    }
    switch (type.typeName) {
      case 'null':
        return nothing;
      case 'boolean':
        return boolean;
      case 'int':
        return int;
      case 'abstract:long':
        return long;
      case 'float':
        return float;
      case 'double':
        return double;
      case 'string':
        return string;
      case 'bytes':
        return bytes(this.bytesForm[form]);
      case 'fixed':
        return fixed(nameOf(type), (type as avsc.types.FixedType).size, this.bytesForm[form]);
      case 'enum':
        return enumeration(nameOf(type), (type as avsc.types.EnumType).symbols);
      case 'array':
        return array(this.codecOf((type as avsc.types.ArrayType).itemsType, form));
      case 'map':
        return map(this.codecOf((type as avsc.types.MapType).valuesType, form));
      case 'record':
      case 'error':
        return this.makeRecord(type as avsc.types.RecordType, form);
      case 'union:wrapped':
      case 'union:unwrapped':
        return union(this.branchesOf(type as UnionType, form), form);
      default:
        throw new RelayError('SCHEMA_INVALID', `Avro has no type ${type.typeName}.`);
    }
  }

  private branchesOf(type: UnionType, form: Form): Branch[] {
    return type.types.map((branch) => {
      const kind = namedKindOf(branch);
      return {
        name: branch.branchName ?? branch.typeName,
        codec: this.codecOf(branch, form),
        ...(kind === undefined ? {} : { kind }),
      };
    });
  }

  private makeRecord(type: avsc.types.RecordType, form: Form): Codec {
    const fields: RecordField[] = [];
    const codec = record(nameOf(type), fields);
    this.codecs[form].set(type, codec);
    const defaults = fieldDefaults(type);
    for (const { name, type: fieldType } of type.fields) {
      const value = defaults.get(name);
      const writeDefault =
        value === undefined
          ? undefined
          : this.defaultWriter(fieldType, value, form, `${nameOf(type)}.${name}`);
      fields.push({ name, codec: this.codecOf(fieldType, form), writeDefault });
    }
    return codec;
  }

  /** In a payload, the bytes of a default are made once; within a default, the value is written each time. */
  private defaultWriter(
    type: avsc.Type,
    value: unknown,
    form: Form,
    place: string,
  ): NonNullable<RecordField['writeDefault']> {
    const write: ValueWriter = (item, sink) => {
      const codec = this.codecOf(type, 'default');
      if (!codec.tryWrite(item, sink)) throw new ValueMismatch(codec.expected, codec.found(item));
    };
    if (form === 'default') {
      return (sink) => {
        write(value, sink);
        return true;
      };
    }
    let encoded: Buffer | undefined;
    this.pendingDefaults.push(() => {
      encoded = this.encodeDefault(write, value, place);
    });
    return (sink) => {
      if (encoded === undefined) return false;
      sink.writeFixed(encoded);
      return true;
    };
  }

  private encodeDefault(write: ValueWriter, value: unknown, place: string): Buffer | undefined {
    const sink = new ByteSink(64);
    resetNesting();
    try {
      write(value, sink);
      return sink.copy();
    } catch (error) {
      if (!(error instanceof ValueMismatch)) throw error;
      this.faults.push(`The default of ${place} does not fit its type: ${error.message}`);
      return undefined;
    }
  }
}

/** The codec of a logical type; `undefined` where it counts for nothing, so that the underlying type is written. */
function logicalCodec(type: LogicalType): Codec | undefined {
  const { typeName, size } = type.underlyingType as avsc.types.FixedType;
  const underlying = { kind: typeName === bigLong.typeName ? 'long' : typeName, size };
  return counts(type.logicalName, type, underlying)
    ? specOf(type.logicalName).codec(type, underlying)
    : undefined;
}

type UnionType = avsc.types.WrappedUnionType;

function isUnionType(type: avsc.Type): type is UnionType {
  return type.typeName === 'union:wrapped' || type.typeName === 'union:unwrapped';
}

/** For a decimal on a fixed, the fixed has the name. */
function underlying(type: avsc.Type): avsc.Type {
  return type instanceof LogicalType ? type.underlyingType : type;
}

function namedKindOf(type: avsc.Type): NamedKind | undefined {
  const { typeName } = underlying(type);
  if (typeName === 'record' || typeName === 'error') return 'record';
  return typeName === 'enum' || typeName === 'fixed' ? typeName : undefined;
}

function namesOf(type: avsc.Type): { name: string | undefined; aliases: readonly string[] } {
  const { name, aliases } = underlying(type);
  return { name: namedKindOf(type) === undefined ? undefined : name, aliases: aliases ?? [] };
}

function wrapped(union: Codec): Codec {
  return { ...union, expected: `{"<branch>": …} of ${union.expected}`, found: describe };
}

function nameOf(type: avsc.Type): string {
  return type.name ?? 'without a name';
}
