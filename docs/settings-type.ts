/** Writes relay/library/settings.ts: the settings as a type, with what is documented of each. */
import path from 'node:path';
import { z } from 'zod';
import { asText, settings } from '../relay/config/config.ts';
import { configSchema } from '../relay/config/schema.ts';

export const settingsTypeFile = path.join(import.meta.dirname, '../relay/library/settings.ts');

type Schema = {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: Schema;
  readonly additionalProperties?: Schema | boolean;
};

export function settingsType(): string {
  const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as Schema;
  return `/**
 * The settings as a program gives them. Written by \`npm run docs\` from relay/config/schema.ts; do not edit it.
 */

/** What \`relay.yaml\` holds, as an object. What is left out has its default. */
export type RelaySettings = ${objectType(schema, [], '')};
`;
}

function objectType(schema: Schema, at: readonly string[], indent: string): string {
  const inner = `${indent}  `;
  const lines = Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    const type = typeOf(child, [...at, key], inner);
    const name = isRequired(schema, key) ? key : `${key}?`;
    const orNothing = isRequired(schema, key) ? '' : ' | undefined';
    const text = docOf([...at, key]);
    return [
      ...(text === undefined ? [] : [`${inner}/** ${text} */`]),
      `${inner}readonly ${name}: ${type}${orNothing};`,
    ];
  });
  return `{\n${lines.join('\n')}\n${indent}}`;
}

/** A section is required when one of its keys is. */
function isRequired(schema: Schema, key: string): boolean {
  const child = schema.properties?.[key];
  if (child?.properties === undefined) return schema.required?.includes(key) === true;
  return Object.keys(child.properties).some((name) => isRequired(child, name));
}

function typeOf(schema: Schema, at: readonly string[], indent: string): string {
  if (schema.properties !== undefined) {
    const section = objectType(schema, at, indent);
    // The name alone is short for the section.
    return at.join('.') === 'slot' ? `string | ${section}` : section;
  }
  if (schema.enum !== undefined) return schema.enum.map((value) => `'${value}'`).join(' | ');
  if (schema.anyOf !== undefined) return schema.anyOf.map((each) => typeOf(each, at, indent)).join(' | ');
  if (schema.type === 'array') return 'readonly string[]';
  if (schema.type === 'integer') return 'number';
  if (schema.type === 'object') {
    const names = schema.propertyNames?.enum?.map((value) => `'${value}'`).join(' | ');
    const value =
      typeof schema.additionalProperties === 'object'
        ? typeOf(schema.additionalProperties, at, indent)
        : 'string';
    if (names === undefined) return `{ readonly [name: string]: ${value} }`;
    return `{ readonly [Name in ${names}]?: ${value} | undefined }`;
  }
  return schema.type ?? 'unknown';
}

function docOf(at: readonly string[]): string | undefined {
  const setting = settings.find(({ path }) => path.join('.') === at.join('.'));
  if (setting === undefined) return undefined;
  const fallback = setting.default === undefined ? '' : asText(setting.default);
  return `${setting.description}${fallback === '' ? '' : ` Default: \`${fallback}\`.`}`.replaceAll(
    '*/',
    '*\\/',
  );
}
