/**
 * Whether events of one schema can be read with another: Avro's schema resolution, as findings that a person can act on.
 * It also finds changes that resolution accepts although the reader gets another value, because resolution compares bytes
 * and knows nothing about a decimal's scale or a time unit.
 * @see https://avro.apache.org/docs/1.12.0/specification/#schema-resolution
 */
import { specOf } from '../../encode/formats/avro/logical-types.ts';
import {
  describeLogical,
  describeType,
  type EnumNode,
  type Field,
  type FixedNode,
  type Logical,
  type Node,
  type PrimitiveNode,
  type RecordNode,
  shortName,
  type UnionNode,
} from './model.ts';

/** Kinds with which a reader fails. */
export const structuralKinds = ['type', 'name', 'field', 'symbols', 'size', 'branch'] as const;
/** Kinds with which a reader gets another value, without an error. Registries accept them. */
export const silentKinds = ['decimal-scale', 'decimal-precision', 'time-unit', 'logical-type'] as const;

export type FindingKind = (typeof structuralKinds)[number] | (typeof silentKinds)[number];

export type SchemaFinding = {
  /** Place in the event, `$.lines[].price`. */
  readonly path: string;
  readonly kind: FindingKind;
  /** `consumers`: those with the other version cannot read new events. `producers`: new consumers cannot read their events. */
  readonly breaks: 'consumers' | 'producers';
  readonly explanation: string;
  readonly remedy: string;
};

export type Sides = {
  /** Which of the two is the new one. */
  readonly fresh: 'writer' | 'reader';
  /** The name of the other one, `version 3`. */
  readonly other: string;
};

const defaultSides: Sides = { fresh: 'writer', other: 'the other schema' };

export function isSilent({ kind }: Pick<SchemaFinding, 'kind'>): boolean {
  return (silentKinds as readonly string[]).includes(kind);
}

/** Why events of `writer` cannot be read with `reader`; empty if each is read with the values that were written. */
export function compareSchemas(writer: Node, reader: Node, sides: Sides = defaultSides): SchemaFinding[] {
  return new Comparison(sides).compare(writer, reader, '$');
}

/** What Avro reads as a wider type; text and bytes can be read as each other. */
const promotions: Readonly<Record<string, readonly string[]>> = {
  int: ['long', 'float', 'double'],
  long: ['float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
};

class Comparison {
  readonly #sides: Sides;
  /** Pairs being compared: a record that contains itself is compared once. */
  readonly #open = new Map<Node, Set<Node>>();

  constructor(sides: Sides) {
    this.#sides = sides;
  }

  compare(writer: Node, reader: Node, path: string): SchemaFinding[] {
    if (writer.kind === 'union') return this.#fromUnion(writer, reader, path);
    if (reader.kind === 'union') return this.#toUnion(writer, reader, path);
    if (writer.kind === 'array' && reader.kind === 'array')
      return this.compare(writer.items, reader.items, `${path}[]`);
    if (writer.kind === 'map' && reader.kind === 'map')
      return this.compare(writer.values, reader.values, `${path}[*]`);
    if (writer.kind === 'record' && reader.kind === 'record') return this.#records(writer, reader, path);
    if (writer.kind === 'enum' && reader.kind === 'enum') return this.#enums(writer, reader, path);
    if (writer.kind === 'fixed' && reader.kind === 'fixed') return this.#fixed(writer, reader, path);
    if (isLeaf(writer) && isLeaf(reader)) return this.#leaves(writer, reader, path);
    return [this.#typeChanged(writer, reader, path)];
  }

  /** An event may hold any of its branches. */
  #fromUnion(writer: UnionNode, reader: Node, path: string): SchemaFinding[] {
    const findings = writer.branches.flatMap((branch) => this.compare(branch, reader, path));
    return findings.filter(
      ({ path: place, explanation }, index) =>
        findings.findIndex((each) => each.path === place && each.explanation === explanation) === index,
    );
  }

  /** The reader takes the first branch that resolves; one with the same meaning wins. */
  #toUnion(writer: Node, reader: UnionNode, path: string): SchemaFinding[] {
    let silent: SchemaFinding[] | undefined;
    for (const branch of reader.branches) {
      const findings = this.compare(writer, branch, path);
      if (findings.length === 0) return [];
      if (findings.every(isSilent)) silent ??= findings;
    }
    if (silent !== undefined) return silent;
    const counterpart = reader.branches.find((branch) => isCounterpart(writer, branch));
    if (counterpart !== undefined) return this.compare(writer, counterpart, path);
    return [this.#branchMissing(writer, reader, path)];
  }

  #records(writer: RecordNode, reader: RecordNode, path: string): SchemaFinding[] {
    const open = this.#open.get(writer) ?? new Set();
    if (open.has(reader)) return [];
    this.#open.set(writer, open.add(reader));
    const findings = [
      ...this.#names(writer, reader, path),
      ...reader.fields.flatMap((field) => this.#field(writer, field, `${path}.${field.name}`)),
    ];
    open.delete(reader);
    return findings;
  }

  #field(writer: RecordNode, field: Field, path: string): SchemaFinding[] {
    const written = writer.fields.find(({ name }) => name === field.name || field.aliases.includes(name));
    if (written !== undefined) return this.compare(written.type, field.type, path);
    return field.fallback === undefined ? [this.#fieldMissing(writer, field, path)] : [];
  }

  #enums(writer: EnumNode, reader: EnumNode, path: string): SchemaFinding[] {
    const missing = writer.symbols.filter((symbol) => !reader.symbols.includes(symbol));
    const findings = this.#names(writer, reader, path);
    // The order of symbols does not matter: they are matched by name.
    if (missing.length > 0 && reader.fallback === undefined)
      findings.push(this.#symbolsMissing(writer, missing, path));
    return findings;
  }

  #fixed(writer: FixedNode, reader: FixedNode, path: string): SchemaFinding[] {
    const findings = this.#names(writer, reader, path);
    if (writer.size !== reader.size) findings.push(this.#sizeChanged(writer, reader, path));
    return [...findings, ...this.#meaning(writer, reader, path)];
  }

  #leaves(writer: PrimitiveNode, reader: PrimitiveNode, path: string): SchemaFinding[] {
    const isReadable = writer.kind === reader.kind || promotions[writer.kind]?.includes(reader.kind);
    return isReadable ? this.#meaning(writer, reader, path) : [this.#typeChanged(writer, reader, path)];
  }

  #names(writer: RecordNode | EnumNode | FixedNode, reader: typeof writer, path: string): SchemaFinding[] {
    if (isSameName(writer, reader)) return [];
    const was = this.#sides.fresh === 'writer' ? reader.name : writer.name;
    const alias =
      this.#sides.fresh === 'writer'
        ? `keep the name ${was}, which consumers with ${this.#sides.other} expect`
        : `keep the name ${was}, or give the new one "aliases": ["${was}"]`;
    return [
      this.#finding(
        path,
        'name',
        `the ${writer.kind} is named ${writer.name} in the event and ${reader.name} in ${this.#readerName()}`,
        `${capital(alias)}.`,
      ),
    ];
  }

  /** Two logical types, on bytes that resolve. */
  #meaning(writer: PrimitiveNode | FixedNode, reader: typeof writer, path: string): SchemaFinding[] {
    const [from, to] = [writer.logical, reader.logical];
    if (from === undefined && to === undefined) return [];
    if (from?.name === 'decimal' && to?.name === 'decimal') return this.#decimals(from, to, path);
    if (from?.name === to?.name) return [];
    // A UUID can be read as text.
    if (from?.name === 'uuid' && to === undefined && reader.kind === 'string') return [];
    const [written, read] = [unitOf(from), unitOf(to)];
    if (written !== undefined && read !== undefined && written.family === read.family)
      return [this.#unitChanged(from!, to!, written.digits - read.digits, path)];
    return [this.#logicalChanged(writer, reader, path)];
  }

  #decimals(from: Logical, to: Logical, path: string): SchemaFinding[] {
    const remedy = this.#addField(path, describeLogical(this.#sides.fresh === 'writer' ? from : to));
    if (from.scale !== to.scale) {
      const factor = 10 ** Math.abs(from.scale! - to.scale!);
      const change = from.scale! > to.scale! ? `${factor} times too large` : `${factor} times too small`;
      return [
        this.#finding(
          path,
          'decimal-scale',
          `a ${describeLogical(from)} is read as a ${describeLogical(to)}, and without an error every value is ${change}`,
          remedy,
        ),
      ];
    }
    if (from.precision === to.precision) return [];
    const why =
      from.precision! > to.precision!
        ? `the reader does not expect values of more than ${to.precision} digits`
        : 'to Avro these are two types, and readers may reject or misread the values';
    return [
      this.#finding(
        path,
        'decimal-precision',
        `a ${describeLogical(from)} is read as a ${describeLogical(to)}: ${why}`,
        remedy,
      ),
    ];
  }

  #unitChanged(from: Logical, to: Logical, digits: number, path: string): SchemaFinding {
    const change = digits > 0 ? 'too large' : 'too small';
    return this.#finding(
      path,
      'time-unit',
      `a ${from.name} is read as a ${to.name}, and without an error every time is ${1000 ** (Math.abs(digits) / 3)} times ${change}`,
      this.#addField(path, (this.#sides.fresh === 'writer' ? from : to).name),
    );
  }

  #logicalChanged(writer: Node, reader: Node, path: string): SchemaFinding {
    return this.#finding(
      path,
      'logical-type',
      `${aType(writer)} is read as ${aType(reader)}: the bytes fit, but the meaning may differ`,
      this.#addField(path, describeType(this.#sides.fresh === 'writer' ? writer : reader)),
    );
  }

  #fieldMissing(writer: RecordNode, field: Field, path: string): SchemaFinding {
    const renamed = writer.fields.find(({ aliases }) => aliases.includes(field.name));
    if (this.#sides.fresh === 'writer')
      return this.#finding(
        path,
        'field',
        `field \`${field.name}\` was ${renamed ? `renamed to \`${renamed.name}\`` : 'removed'} and has no default in ${this.#sides.other}`,
        renamed
          ? `Keep \`${field.name}\` and add \`${renamed.name}\` next to it: an alias helps only consumers with the new schema.`
          : `Keep \`${field.name}\`. To remove it, first register a version that gives it a default, wait until every consumer uses that version, then remove it.`,
      );
    return this.#finding(
      path,
      'field',
      `field \`${field.name}\` is new and has no default, and events written with ${this.#sides.other} do not have it`,
      `Make it optional: "type": ["null", ${typeName(field.type)}], "default": null; or give it another default. If it is an old field with a new name, add the old name to "aliases".`,
    );
  }

  #symbolsMissing({ name }: EnumNode, missing: readonly string[], path: string): SchemaFinding {
    const listed = missing.map((symbol) => `\`${symbol}\``).join(', ');
    if (this.#sides.fresh === 'writer')
      return this.#finding(
        path,
        'symbols',
        `enum ${name} has ${listed}, which ${this.#sides.other} does not know, and that version has no default symbol`,
        `First register a version whose enum has a "default" symbol, wait until every consumer uses that version, then add ${listed}.`,
      );
    return this.#finding(
      path,
      'symbols',
      `enum ${name} no longer has ${listed}, which events written with ${this.#sides.other} may have, and has no default symbol`,
      `Keep ${listed}, or give the enum a "default" symbol for unknown ones.`,
    );
  }

  #sizeChanged(writer: FixedNode, reader: FixedNode, path: string): SchemaFinding {
    const fresh = this.#sides.fresh === 'writer' ? writer : reader;
    return this.#finding(
      path,
      'size',
      `fixed ${writer.name} has ${writer.size} bytes in the event, and ${this.#readerName()} reads ${reader.size}`,
      this.#addField(path, `fixed of ${fresh.size} bytes, with a name of its own`),
    );
  }

  #branchMissing(writer: Node, reader: UnionNode, path: string): SchemaFinding {
    const what = writer.kind === 'null' ? 'null' : aType(writer);
    const where = this.#sides.fresh === 'writer' ? this.#sides.other : 'the new schema';
    const remedy =
      this.#sides.fresh === 'writer'
        ? this.#addField(path, describeType(writer))
        : `Keep ${what} among the branches.`;
    return this.#finding(
      path,
      'branch',
      `an event may hold ${what} here, and ${where} reads only ${describeType(reader)}`,
      remedy,
    );
  }

  #typeChanged(writer: Node, reader: Node, path: string): SchemaFinding {
    if (writer.kind === 'null')
      return this.#finding(
        path,
        'type',
        `an event may hold null here, and ${this.#readerName()} reads only ${describeType(reader)}`,
        this.#sides.fresh === 'writer'
          ? this.#addField(path, describeType(reader))
          : 'Keep null among the branches: ["null", …].',
      );
    return this.#finding(
      path,
      'type',
      `${aType(writer)} is written here, and ${this.#readerName()} reads ${aType(reader)}`,
      this.#addField(path, describeType(this.#sides.fresh === 'writer' ? writer : reader)),
    );
  }

  /** For a change that cannot be made in place. */
  #addField(path: string, type: string): string {
    const field = /\.([A-Za-z_]\w*)[^.]*$/.exec(path)?.[1];
    if (field === undefined) return 'Give the event another name, as a new type next to the old one.';
    return `Keep \`${field}\` as it is, and add an optional field with another name for the ${type}. Remove the old field when no consumer reads it.`;
  }

  #finding(path: string, kind: FindingKind, cause: string, remedy: string): SchemaFinding {
    const { fresh, other } = this.#sides;
    const isSilentKind = isSilent({ kind });
    const explanation =
      fresh === 'writer'
        ? `consumers with ${other} ${isSilentKind ? 'misread' : 'cannot read'} events written with this: ${cause}`
        : `consumers with this ${isSilentKind ? 'misread' : 'cannot read'} events written with ${other}: ${cause}`;
    return { path, kind, breaks: fresh === 'writer' ? 'consumers' : 'producers', explanation, remedy };
  }

  #readerName(): string {
    return this.#sides.fresh === 'writer' ? this.#sides.other : 'the new schema';
  }
}

function isLeaf(node: Node): node is PrimitiveNode {
  return 'logical' in node && node.kind !== 'fixed';
}

/** Names are compared without namespaces; aliases of the reader are full names. */
function isSameName(writer: RecordNode | EnumNode | FixedNode, reader: typeof writer): boolean {
  return shortName(writer.name) === shortName(reader.name) || reader.aliases.includes(writer.name);
}

/** The branch that was probably meant: its fault says more than "no branch fits". */
function isCounterpart(writer: Node, branch: Node): boolean {
  if (writer.kind !== branch.kind) return false;
  return !('name' in writer && 'name' in branch) || isSameName(writer, branch);
}

const unitOf = (logical: Logical | undefined) => logical && specOf(logical.name).unit;

function aType(node: Node): string {
  const words = describeType(node);
  return `${/^[aeiou]/.test(words) ? 'an' : 'a'} ${words}`;
}

function typeName(node: Node): string {
  if (node.kind === 'array' || node.kind === 'map' || node.kind === 'union') return '…';
  return 'name' in node ? `"${node.name}"` : node.logical === undefined ? `"${node.kind}"` : '…';
}

function capital(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
