import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readAvroSchema } from '../../../../relay/audit/avro/avro-schema.ts';
import { type BytesForm, differenceOf, fits } from '../../../../relay/audit/avro/compare-value.ts';
import { readJson } from '../../../../relay/audit/avro/exact-json.ts';
import { compileWriter, parseAvroSchema } from '../../../../relay/encode/formats/avro/writer.ts';
import { ByteSink } from '../../../../relay/encode/formats/byte-sink.ts';
import { parseLosslessJson } from '../../../../relay/encode/formats/json.ts';
import { encode, typeOf } from '../../encode/formats/avro/encoding.ts';
import { canary, generated } from '../../encode/formats/avro/generated.ts';

/** `AVRO_PAIRS=30000 npx vitest run test/relay/audit/avro` for a longer search. */
const numRuns = Number(process.env.AVRO_PAIRS ?? 1000);

function found(schema: unknown, bytes: Buffer, json: string, form: BytesForm = 'base64') {
  const node = readAvroSchema(JSON.stringify(schema), []);
  if (!fits(node, bytes)) return 'does not fit';
  const difference = differenceOf(node, bytes, readJson(json), form);
  return difference === undefined ? 'same' : `$${difference.path}: ${difference.reason}`;
}

/** What the relay writes for one payload, compared with another one. */
const between = (schema: unknown, written: string, json: string) =>
  found(schema, encode(typeOf(schema), written), json);

describe('what the relay wrote', () => {
  test('is what its payload says, for every value that conforms', () => {
    fc.assert(
      fc.property(generated, ({ schema, value }) => {
        expect(found(schema, encode(typeOf(schema), value.text), value.text)).toBe('same');
      }),
      { numRuns },
    );
  });

  test('differs from a payload that differs in one place; the report names the place and shows no value', () => {
    let compared = 0;
    fc.assert(
      fc.property(generated, fc.nat(), ({ schema, value }, choice) => {
        const spoilt = value.spoilt[choice % Math.max(1, value.spoilt.length)];
        if (spoilt === undefined) return;
        const difference = found(schema, encode(typeOf(schema), value.text), spoilt.text);
        expect(difference).not.toBe('same');
        expect(difference).not.toContain(canary);
        compared++;
      }),
      { numRuns },
    );
    expect(compared).toBeGreaterThan(numRuns / 2);
  });

  test('is a different value once a byte of it changes, or not a value', () => {
    fc.assert(
      fc.property(generated, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ schema, value }, at, mask) => {
        const bytes = encode(typeOf(schema), value.text);
        if (bytes.length === 0) return;
        const place = at % bytes.length;
        bytes[place] = bytes[place]! ^ mask;
        expect(found(schema, bytes, value.text)).not.toBe('same');
      }),
      { numRuns },
    );
  });
});

test.each([
  ['float', '0000c07f'],
  ['double', '000000000000f87f'],
])('a %s that is not a number on the wire is no payload that is not a number', (type, hex) => {
  const bytes = Buffer.from(hex, 'hex');
  for (const json of ['null', '"NaN"', `{"${type}":1.5}`, '1.5'])
    expect(found(type, bytes, json), json).toBe(`$: a different ${type}`);
});

const record = (...fields: object[]) => ({ type: 'record', name: 'r.R', fields });
const field = (name: string, type: unknown, fallback?: unknown) =>
  fallback === undefined ? { name, type } : { name, type, default: fallback };

describe('a different notation of the same value is the same:', () => {
  test.each<[string, unknown, string, string]>([
    ['an integer', 'int', '5', '5.0e0'],
    ['a long of more than 53 bits', 'long', '9007199254740993', '9007199254740993.0'],
    ['a decimal', { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 3 }, '1.5', '"1.500"'],
    [
      'an instant',
      { type: 'long', logicalType: 'timestamp-micros' },
      '"2026-01-31T08:00:00Z"',
      '"2026-01-31 09:00:00.000000+01:00"',
    ],
    [
      'an instant as its count',
      { type: 'long', logicalType: 'timestamp-millis' },
      '"1970-01-01T00:00:01Z"',
      '1000',
    ],
    ['a date', { type: 'int', logicalType: 'date' }, '"1970-02-01"', '31'],
    ['a time', { type: 'int', logicalType: 'time-millis' }, '"00:01"', '60000'],
    ['a duration', { type: 'fixed', name: 'F', size: 12, logicalType: 'duration' }, '"P1Y2W"', '"P12M14D"'],
    ['a double', 'double', '0.1', '0.10000000000000000555'],
    ['a branch that is named', ['null', 'string'], '"x"', '{"string":"x"}'],
    ['a record that is named', ['null', record(field('a', 'int'))], '{"a":1}', '{"r.R":{"a":1}}'],
    ['a default that is written out', record(field('a', ['null', 'long'], null)), '{}', '{"a":null}'],
    [
      'the default of a default',
      record(
        field(
          'a',
          record(field('b', 'bytes', 'ÿ')).fields.length && {
            ...record(field('b', 'bytes', 'ÿ')),
            name: 'r.S',
          },
          {},
        ),
      ),
      '{}',
      '{"a":{"b":"/w=="}}',
    ],
    [
      'a type without a namespace of its own',
      {
        type: 'record',
        name: 'n.R',
        fields: [field('a', { type: 'enum', name: 'E', symbols: ['X'] }), field('b', 'E')],
      },
      '{"a":"X","b":"X"}',
      '{"b":"X","a":"X"}',
    ],
  ])('%s', (_, schema, written, json) => {
    expect(between(schema, written, json)).toBe('same');
  });
});

describe('a different value is reported by its place:', () => {
  test.each<[string, unknown, string, string, string]>([
    ['an integer', record(field('a', 'int')), '{"a":5}', '{"a":6}', '$.a: a different int'],
    ['the last digit of a long', 'long', '9007199254740993', '9007199254740992', '$: a different long'],
    [
      'a microsecond',
      { type: 'long', logicalType: 'timestamp-micros' },
      '"2026-01-31T08:00:00.000001Z"',
      '"2026-01-31T08:00:00Z"',
      '$: a different long',
    ],
    ['an item', { type: 'array', items: 'string' }, '["a","b"]', '["a","c"]', '$[1]: a different string'],
    [
      'a missing item',
      { type: 'array', items: 'string' },
      '["a"]',
      '["a","c"]',
      '$: a different number of items',
    ],
    ['a value of a map', { type: 'map', values: 'int' }, '{"k":1}', '{"k":2}', '$[*]: a different int'],
    ['a key of a map', { type: 'map', values: 'int' }, '{"k":1}', '{"l":1}', '$: a different key'],
    ['a default in place of a value', record(field('a', 'int', 7)), '{}', '{"a":8}', '$.a: a different int'],
    ['a value in place of a default', record(field('a', 'int', 7)), '{"a":8}', '{}', '$.a: a different int'],
    [
      'a field that was dropped',
      record(field('a', 'int')),
      '{"a":1}',
      '{"a":1,"b":2}',
      '$: the payload has a field that the schema does not have',
    ],
    [
      'null in place of a value',
      record(field('a', ['null', 'int'], null)),
      '{}',
      '{"a":0}',
      '$.a: null, but the payload has a value',
    ],
    [
      'a place within a named branch',
      ['null', record(field('a', 'int'))],
      '{"a":1}',
      '{"r.R":{"a":2}}',
      '$["r.R"].a: a different int',
    ],
    ['zero with a sign', 'double', '0', '-0', '$: a different double'],
  ])('%s', (_, schema, written, json, difference) => {
    expect(between(schema, written, json)).toBe(difference);
  });
});

test('bytes are compared in the form that payloads write them in', () => {
  const type = parseAvroSchema('"bytes"');
  for (const [form, text] of [
    ['base64', '+/8='],
    ['base64url', '-_8'],
    ['hex', 'FBff'],
    ['latin1', 'ûÿ'],
  ] as const) {
    const sink = new ByteSink(16);
    compileWriter(type, form)(parseLosslessJson(`"${text}"`), sink);
    expect(found('bytes', sink.copy(), `"${text}"`, form)).toBe('same');
  }
});

test('every schema that the relay can write with can be read with, and a name that nothing defines cannot', () => {
  for (const [schema, json] of [
    [record(field('a', ['null', 'string'], 'null')), '{}'],
    [record(field('a', ['null', 'string'], '')), '{"a":"x"}'],
    [record(field('a', ['int', 'string'], 'x')), '{}'],
    [record(field('constructor', 'string'), field('__proto__', 'int')), '{"constructor":"c","__proto__":1}'],
    [{ type: 'map', values: 'int' }, '{"__proto__":1,"constructor":2}'],
    [{ type: { type: 'string' } }, '"x"'],
    [record(field('a', { type: 'long', logicalType: 'made-up' })), '{"a":1}'],
    [{ type: 'bytes', logicalType: 'decimal', precision: '10' }, '"AQ=="'],
  ] as const)
    expect(between(schema, json, json), JSON.stringify(schema)).toBe('same');
  expect(() => readAvroSchema('{"type":"array","items":"a.B"}', [])).toThrow('a name that nothing defines');
  const defined = '{"type":"record","name":"a.B","fields":[{"name":"c","type":"C"}]}';
  const enumeration = '{"type":"enum","name":"a.C","symbols":["X"]}';
  const node = readAvroSchema('{"type":"array","items":"a.B"}', [defined, enumeration]);
  expect(differenceOf(node, Buffer.from([2, 0, 0]), readJson('[{"c":"X"}]'), 'base64')).toBeUndefined();
});

test('bytes that never end are not a value', () => {
  const nulls = readAvroSchema('{"type":"array","items":"null"}', []);
  expect(fits(nulls, Buffer.from('feffffffffffffffff0100', 'hex'))).toBe(false);
  expect(fits(nulls, Buffer.from('ffffffffffffffffffffffffff', 'hex'))).toBe(false);
  const list = readAvroSchema(
    '{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}',
    [],
  );
  expect(fits(list, Buffer.alloc(1_000_000, 2))).toBe(false);
});
