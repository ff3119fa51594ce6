/**
 * Writes docs/evidence/avro.md: which JSON each Avro type takes. No line of it is written by hand: each is what the encoder
 * of the relay does with that JSON when the page is generated. A test fails when the encoder does something else.
 */
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../relay/config/config.ts';
import { Encoder } from '../relay/encode/encoder.ts';
import { type LogicalName, logicalNames, specOf } from '../relay/encode/formats/avro/logical-types.ts';
import { isRefusal } from '../relay/encode/record.ts';
import { code, table } from './markdown.ts';

type Case = {
  /** As the table names it. */
  readonly type: string;
  readonly schema: unknown;
  /** JSON texts of the payload. */
  readonly values: readonly string[];
  /** `type` of the event, where it is the point; else the schema has no other. */
  readonly eventType?: string;
};

/** Bytes of a fixed on which any number will do. */
const exampleSize = 3;

/** The examples of a logical type, on each type that it belongs on. */
export function logicalCases(name: LogicalName): Case[] {
  const { on, exampleAttributes = {} } = specOf(name);
  const values = Object.values(exampleAttributes);
  const label = values.length === 0 ? name : `${name}(${values.join(', ')})`;
  return on.map(({ kind, size = exampleSize, accepted, refused }) => ({
    type: `${label} on ${kind === 'fixed' ? `fixed of ${size} bytes` : kind}`,
    schema: {
      type: kind,
      ...(kind === 'fixed' ? { name: 'F', size } : {}),
      logicalType: name,
      ...exampleAttributes,
    },
    values: [...accepted, ...refused],
  }));
}

const severalTypes = ['shop.Placed', 'shop.Cancelled'].map((name) => ({
  type: 'record',
  name,
  fields: [{ name: 'id', type: 'string' }],
}));
const several = (eventType: string, values = ['{"id": "1"}']): Case => ({
  type: `union of shop.Placed and shop.Cancelled, both of id (string); type \`${eventType}\``,
  schema: severalTypes,
  values,
  eventType,
});

const longs = ['0', '9223372036854775807', '9223372036854775808', '1e3', '"1"', '0.5', 'null'];

/** By the heading they stand under. */
export const cases: Readonly<Record<string, readonly Case[]>> = {
  'Simple types': [
    { type: 'null', schema: 'null', values: ['null', '0', '""'] },
    { type: 'boolean', schema: 'boolean', values: ['true', '0', '"true"'] },
    { type: 'int', schema: 'int', values: ['2147483647', '5.0', '2147483648', '0.5', '"1"'] },
    { type: 'long', schema: 'long', values: longs },
    { type: 'float', schema: 'float', values: ['0.1', '1e39', '"0.1"'] },
    { type: 'double', schema: 'double', values: ['0.1', '9007199254740993', '1e400', '"NaN"', 'null'] },
    { type: 'string', schema: 'string', values: ['"é"', '""', '"\\ud800"', '1', 'null'] },
    { type: 'bytes', schema: 'bytes', values: ['"AQID"', '""', '"AQI"', '"_-8="', '[1, 2, 3]'] },
  ],
  'Named and composed types': [
    {
      type: 'fixed F of 3 bytes',
      schema: { type: 'fixed', name: 'F', size: 3 },
      values: ['"AQID"', '"AQI="', '"abc"', '3'],
    },
    {
      type: 'enum E of A, B',
      schema: { type: 'enum', name: 'E', symbols: ['A', 'B'] },
      values: ['"A"', '"C"', '0'],
    },
    {
      type: 'enum E with a default symbol',
      schema: { type: 'enum', name: 'E', symbols: ['A', 'B'], default: 'A' },
      values: ['"C"'],
    },
    {
      type: 'array of int',
      schema: { type: 'array', items: 'int' },
      values: ['[1, 2]', '[]', '[1, "2"]', '{"0": 1}', 'null'],
    },
    {
      type: 'map of int',
      schema: { type: 'map', values: 'int' },
      values: ['{"a": 1}', '{}', '{"a": "1"}', '[["a", 1]]'],
    },
    {
      type: 'record R of id (string), note (string, default "")',
      schema: {
        type: 'record',
        name: 'R',
        fields: [
          { name: 'id', type: 'string' },
          { name: 'note', type: 'string', default: '' },
        ],
      },
      values: [
        '{"id": "1", "note": "x"}',
        '{"id": "1"}',
        '{"note": "x"}',
        '{"id": "1", "note": null}',
        '{"id": "1", "more": 1}',
        '{"id": 1}',
        '"1"',
      ],
    },
    {
      type: 'record R that holds itself (next: null or R, default null)',
      schema: {
        type: 'record',
        name: 'R',
        fields: [{ name: 'next', type: ['null', 'R'], default: null }],
      },
      values: ['{}', '{"next": {"next": null}}', '{"next": {"next": {"next": 1}}}'],
    },
  ],
  Unions: [
    { type: 'null or string', schema: ['null', 'string'], values: ['null', '"a"', '{"string": "a"}', '1'] },
    { type: 'int or long or double', schema: ['int', 'long', 'double'], values: ['1', '2147483648', '0.5'] },
    { type: 'float or double', schema: ['float', 'double'], values: ['0.5', '0.1'] },
    { type: 'bytes or string', schema: ['bytes', 'string'], values: ['"AQID"', '{"bytes": "AQID"}', '1'] },
    {
      type: 'uuid or null',
      schema: [{ type: 'string', logicalType: 'uuid' }, 'null'],
      values: ['"6f1c2e0a-5b0f-4b6e-9d0a-0c1d2e3f4a5b"', '"a"', 'null'],
    },
    {
      type: 'record A (a: int) or record B (b: int)',
      schema: [
        { type: 'record', name: 'A', fields: [{ name: 'a', type: 'int' }] },
        { type: 'record', name: 'B', fields: [{ name: 'b', type: 'int' }] },
      ],
      values: ['{"b": 1}', '{"B": {"b": 1}}', '{"c": 1}'],
    },
    {
      type: 'record A (a: int) or record B (a: int, b: int, default 0)',
      schema: [
        { type: 'record', name: 'A', fields: [{ name: 'a', type: 'int' }] },
        {
          type: 'record',
          name: 'B',
          fields: [
            { name: 'a', type: 'int' },
            { name: 'b', type: 'int', default: 0 },
          ],
        },
      ],
      values: ['{"a": 1, "b": 1}', '{"a": 1}', '{"A": {"a": 1}}'],
    },
  ],
  'Several event types under one subject': [
    several('shop.Placed'),
    several('shop.Cancelled', [
      '{"id": "1"}',
      '{"shop.Cancelled": {"id": "1"}}',
      '{"shop.Placed": {"id": "1"}}',
    ]),
    several('Cancelled'),
    several('shop.Canceled'),
    {
      type: 'record shop.Placed of id (string); type `shop.Canceled`',
      schema: severalTypes[0],
      values: ['{"id": "1"}'],
      eventType: 'shop.Canceled',
    },
  ],
  'Logical types': [
    ...logicalNames.flatMap(logicalCases),
    {
      type: 'date on string',
      schema: { type: 'string', logicalType: 'date' },
      values: ['"2026-01-31"', '"any text"', '20484'],
    },
  ],
  'Before any type': [
    { type: 'whatever the schema', schema: 'string', values: ["{'a': 1}", 'NaN', '01', '"a'] },
  ],
};

const accepted = 'accepted';

const { config } = loadConfig({ env: {}, needs: [] });
/** For schemas whose names are not the point. */
const anyType = { ...config, schemas: { ...config.schemas, typeMatch: 'any' as const } };
/** A zero byte and the schema id stand before the Avro bytes. */
const framingBytes = 5;

/** What the relay makes of a JSON text: `accepted`, with the branch where there is a choice, or its error. */
export async function outcomeOf(schema: unknown, payload: string, eventType?: string): Promise<string> {
  // As the type of a payload a union is for events of several types; elsewhere it is the type of a field.
  const isField = Array.isArray(schema) && eventType === undefined;
  const written = isField
    ? { type: 'record', name: 'Example', fields: [{ name: 'value', type: schema }] }
    : schema;
  const registered = { id: 1, schemaText: JSON.stringify(written), references: [] };
  const encoder = new Encoder(
    eventType === undefined ? anyType : config,
    { latest: async () => registered, version: async () => registered },
    {
      resolve: async () => ({ partitions: 1, maxMessageBytes: 1_000_000, keptMs: Number.POSITIVE_INFINITY }),
    },
  );
  const names = { id: '1', aggregatetype: 'example', aggregateid: '1', type: eventType ?? 'Example' };
  const text = isField ? `{"value": ${payload}}` : payload;
  const row = { ...names, payload: text, headers: null, createdAt: null };
  const position = { commitLsn: 0n, ordinal: 0 };
  const [encoded] = await encoder.encode([{ position, committedAtMs: 0, row }]);
  if (isRefusal(encoded!)) {
    const path = isField ? (encoded.path?.replace('$.value', '$') ?? null) : encoded.path;
    const place = path === null ? '' : ` at ${code(path)}`;
    return `${code(encoded.code)}${place}: ${encoded.message}`;
  }
  if (!Array.isArray(schema)) return accepted;
  // A branch number is a zigzag varint, and these unions are short.
  return `${accepted} as ${branchName(schema[encoded!.value![framingBytes]! / 2])}`;
}

function branchName(branch: unknown): string {
  if (typeof branch === 'string') return branch;
  const { name, logicalType, type } = branch as { name?: string; logicalType?: string; type: string };
  return logicalType ?? name ?? type;
}

const introduction = `# JSON to Avro

What the relay does with each form of JSON in a payload, for each Avro type. This page is generated by \`npm run docs\`: each line is the actual outcome of the encoder. An error is the code, path and message that go to \`outbox.dead_letter\`. It names places and types, never a value.

**Unions.** A payload is natural JSON, so a union takes a value as it is. The branch is the first one, in the order of the schema, that takes the value exactly. Bytes and fixed come last, since almost any text could be base64. Avro's own wrapped form, \`{"<branch>": value}\`, selects a branch explicitly.

The order never decides between two records, two enums or two fixed: a value that fits two of them is refused, and needs the wrapped form. Otherwise a payment by card could become a bank transfer because their fields are alike.

**Event types.** The \`type\` of an event names its type in the schema, whatever the subject: the record, or the branch of a union that holds several event types. It is a full name, an alias, or a simple name. \`schemas.namespace\` is the namespace of simple names; without that setting a simple name matches any namespace. An event whose type names none is refused; the relay never guesses from the fields. If your types are not names of records, set \`schemas.typeMatch\` to \`any\`: a schema of one record then takes every type, and in a union the payload names its branch.

**Schema ids.** The id before the Avro bytes is the registry's id for exactly this schema text. It has four bytes, so an id over 2147483647 is refused. The registry's \`schemaType\` must be Avro.

**Numbers** keep every digit. A number that would have to be rounded is refused, except for float and double, which round as usual. A decimal is a JSON number, or a string that contains one, also with an exponent.

**Fields.** A field may be absent only if the schema has a default that fits. A field that the schema does not declare is refused. If a key occurs twice, the last one counts.

**Logical types.** As in Avro, a logical type on a type that it does not belong to is ignored; see the last example.
`;

/** The whole document. */
export async function avroDocument(): Promise<string> {
  const parts = [introduction];
  for (const [heading, types] of Object.entries(cases)) {
    const rows: string[][] = [];
    for (const { type, schema, values, eventType } of types)
      for (const value of values) rows.push([type, code(value), await outcomeOf(schema, value, eventType)]);
    parts.push(`## ${heading}\n\n${table(['Avro', 'JSON', 'outcome'], rows)}\n`);
  }
  return parts.join('\n');
}

export const avroFile = fileURLToPath(new URL('evidence/avro.md', import.meta.url));
