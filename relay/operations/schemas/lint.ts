/**
 * Probable mistakes in a valid schema: logical types that Avro ignores without an error, so that a time becomes a plain
 * number, and defaults that are mistakes or that older parsers reject. Pure. Only warnings, because any of them may be
 * intended.
 */
import {
  type Base,
  belongsOn,
  counts,
  isLogicalName,
  logicalNames,
  specOf,
} from '../../encode/formats/avro/logical-types.ts';
import type { JsonValue } from '../../encode/formats/json.ts';
import type { JsonObject } from './model.ts';

export type Warning = {
  /** Place in the event, `$.lines[].price`. */
  readonly path: string;
  readonly explanation: string;
  readonly remedy: string;
};

/** In the order of the schema. */
export function lintSchema(schema: JsonValue): Warning[] {
  const warnings: Warning[] = [];
  visit(schema, '$', warnings);
  return warnings;
}

function visit(schema: JsonValue | undefined, path: string, warnings: Warning[]): void {
  if (Array.isArray(schema)) {
    for (const branch of schema) visit(branch, path, warnings);
    return;
  }
  if (!isObject(schema)) return;
  const { type } = schema;
  if (isObject(type) || Array.isArray(type)) {
    lintBeside(schema, path, warnings);
    visit(type, path, warnings);
    return;
  }
  const fault = logicalFault(schema);
  if (fault !== undefined) warnings.push({ path, ...fault });
  visit(schema.items, `${path}[]`, warnings);
  visit(schema.values, `${path}[*]`, warnings);
  if (!Array.isArray(schema.fields)) return;
  for (const field of schema.fields) {
    if (!isObject(field)) continue;
    const place = `${path}.${String(field.name)}`;
    lintBeside(field, place, warnings);
    lintDefault(field, place, warnings);
    visit(field.type, place, warnings);
  }
}

/** `logicalType` next to the type instead of inside it: the most common mistake. */
function lintBeside({ type, logicalType, precision, scale }: JsonObject, path: string, to: Warning[]): void {
  if (logicalType === undefined) return;
  const inner = typeof type === 'string' ? { type, logicalType, precision, scale } : undefined;
  to.push({
    path,
    explanation: `logicalType ${show(logicalType)} stands next to the type instead of inside it, so it has no effect`,
    remedy:
      inner === undefined
        ? 'Move it into the innermost object that has the "type".'
        : `Write "type": ${show(inner)}.`,
  });
}

function logicalFault(schema: JsonObject): Pick<Warning, 'explanation' | 'remedy'> | undefined {
  const { type, logicalType: name, size } = schema;
  if (name === undefined) return undefined;
  const nothing = 'so it has no effect, and values are of the underlying type';
  if (!isLogicalName(name))
    return {
      explanation: `Avro has no logical type ${show(name)}, ${nothing}`,
      remedy: `It has ${logicalNames.join(', ')}. Keep yours if consumers know it.`,
    };
  const underlying = { kind: String(type), size: type === 'fixed' ? Number(size) : undefined };
  if (!belongsOn(name, underlying))
    return {
      explanation: `${name} does not fit ${type}, ${nothing}`,
      remedy: `It fits ${specOf(name).on.map(describeBase).join(' or ')}.`,
    };
  if (counts(name, schema, underlying)) return undefined;
  const { precision, scale = 0 } = schema;
  return { explanation: `${decimalFault(precision, scale)}, ${nothing}`, remedy: decimalRemedy };
}

const decimalRemedy =
  'Give "precision" and "scale" as whole numbers without quotes, with a scale up to the precision and a precision that fits the fixed.';

function decimalFault(precision: JsonValue | undefined, scale: JsonValue): string {
  if (precision === undefined) return 'the decimal has no precision';
  const isWhole = (value: JsonValue) => Number.isInteger(value) && Number(value) >= 0;
  if (!isWhole(precision)) return `the precision ${show(precision)} is not a whole number`;
  if (!isWhole(scale)) return `the scale ${show(scale)} is not a whole number`;
  if (Number(scale) > Number(precision))
    return `the scale ${show(scale)} exceeds the precision ${show(precision)}`;
  return `the precision ${show(precision)} is 0 or does not fit the fixed`;
}

function lintDefault(field: JsonObject, path: string, to: Warning[]): void {
  const { type, default: value } = field;
  if (value === undefined || !Array.isArray(type)) return;
  const [first] = type;
  if (value === 'null' && type.includes('null')) {
    to.push({
      path,
      explanation:
        'the default is the text "null" instead of null: an event without the field gets that text',
      remedy: 'Write "default": null, and "null" as the first type of the union.',
    });
  } else if (first !== undefined && !mayBeOf(value, first)) {
    to.push({
      path,
      explanation: `the default ${show(value)} is not of the first type of the union. Avro required that before 1.12, and many parsers of consumers reject the schema`,
      remedy: 'Put the type of the default first in the union.',
    });
  }
}

/** By kind only; the encoder decides whether it fits exactly. */
function mayBeOf(value: JsonValue, schema: JsonValue): boolean {
  const type = isObject(schema) ? schema.type : schema;
  if (isObject(type)) return mayBeOf(value, type);
  const texts = ['string', 'bytes', 'enum', 'fixed'];
  const numbers = ['int', 'long', 'float', 'double'];
  const known: Readonly<Record<string, boolean>> = {
    null: value === null,
    boolean: typeof value === 'boolean',
    array: Array.isArray(value),
    map: isObject(value),
    record: isObject(value),
    ...Object.fromEntries(texts.map((each) => [each, typeof value === 'string'])),
    // Long ones are bigints, or keep their text.
    ...Object.fromEntries(
      numbers.map((each) => [each, !['string', 'boolean'].includes(typeof value) && value !== null]),
    ),
  };
  // A name leads elsewhere.
  return known[String(type)] ?? value !== null;
}

function describeBase({ kind, size }: Base): string {
  return size === undefined ? kind : `a fixed of ${size} bytes`;
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? String(item) : item));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
