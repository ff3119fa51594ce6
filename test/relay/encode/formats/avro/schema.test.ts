import { describe, expect, test } from 'vitest';
import { compileSchema, parseAvroSchema } from '../../../../../relay/encode/formats/avro/writer.ts';
import { encode, plain, refusal, roundTrip, typeOf } from './encoding.ts';

const record = (name: string, type: unknown, value?: unknown) => ({
  type: 'record',
  name,
  fields: [{ name: 'f', type, ...(value === undefined ? {} : { default: value }) }],
});

describe('the default of a missing field', () => {
  const inner = record('Inner', 'long', 3);
  test.each<[type: unknown, value: unknown, decoded: unknown]>([
    ['int', 5, 5],
    ['string', 'é', 'é'],
    ['bytes', '\u00ff\u0001', '0xff01'],
    [{ type: 'fixed', name: 'F', size: 2 }, 'ab', '0x6162'],
    [{ type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 }, '\u0001', '0x01'],
    [{ type: 'long', logicalType: 'timestamp-millis' }, 12, 12n],
    [['null', 'string'], null, null],
    [['null', 'string'], 'x', 'x'],
    [['bytes', 'int'], 'abcd', '0x61626364'],
    [{ type: 'array', items: 'int' }, [], []],
    [{ type: 'map', values: 'int' }, { a: 1 }, { a: 1 }],
    [inner, {}, { f: 3n }],
    [inner, { f: 4 }, { f: 4n }],
  ])('%j = %j', (type, value, decoded) => {
    expect(roundTrip(record('R', type, value), '{}')).toStrictEqual({ f: decoded });
  });

  test('keeps all digits of a long', () => {
    const text =
      '{"type":"record","name":"R","fields":[{"name":"f","type":"long","default":9007199254740993}]}';
    const type = parseAvroSchema(text);
    expect(plain(type.fromBuffer(encode(type, '{}')))).toStrictEqual({ f: 9007199254740993n });
  });

  test.each<[type: unknown, value: unknown]>([
    ['int', '5'],
    ['string', null],
    ['bytes', '\u0100'],
    [['null', 'int'], 'x'],
    [{ type: 'string', 'avro.java.string': 'String' }, null],
  ])('%j = %j that does not fit is named, and refuses only what leaves the field out', (type, value) => {
    const schema = record('a.R', type, value);
    const [fault, ...others] = compileSchema(typeOf(schema)).faults;
    expect(fault).toContain('The default of a.R.f does not fit its type: Expected ');
    expect(others).toEqual([]);
    expect(refusal(schema, '{}')).toContain('<- nothing, and the default in the schema does not fit');
    const given = Array.isArray(type) ? '1' : type === 'int' ? '5' : '"AQID"';
    expect(refusal(schema, `{"f":${given}}`)).toBe('accepted');
  });

  test('that holds itself without end is named', () => {
    expect(compileSchema(typeOf(record('R', 'R', {}))).faults).toHaveLength(1);
  });
});

describe('references', () => {
  const money = JSON.stringify({ ...record('Money', 'Currency'), namespace: 'a' });
  const currency = JSON.stringify({ type: 'enum', name: 'a.Currency', symbols: ['EUR'] });
  const order = JSON.stringify({ ...record('Order', { type: 'array', items: 'a.Money' }), namespace: 'b' });

  test.each([[[currency, money]], [[money, currency]], [[money, currency, money]]])(
    'are resolved in whatever order they come',
    (references) => {
      const type = parseAvroSchema(order, references);
      expect(plain(type.fromBuffer(encode(type, '{"f":[{"f":"EUR"}]}')))).toStrictEqual({
        f: [{ f: 'EUR' }],
      });
    },
  );

  test('that are missing are named', () => {
    expect(() => parseAvroSchema(order, [money])).toThrow(
      expect.objectContaining({ code: 'SCHEMA_INVALID', message: expect.stringContaining('a.Currency') }),
    );
  });

  test('may stand in an object, as Java allows', () => {
    const type = typeOf([JSON.parse(currency), { type: 'array', items: { type: 'a.Currency' } }]);
    expect(plain(type.fromBuffer(encode(type, '["EUR"]')))).toStrictEqual(['EUR']);
  });
});

test.each([
  '',
  '{',
  '"nope"',
  'null',
  '12',
  '{"type":"record","name":"R"}',
  '["int","int"]',
  '{"type":"enum"}',
])('%s is no schema', (text) => {
  expect(() => parseAvroSchema(text)).toThrow(expect.objectContaining({ code: 'SCHEMA_INVALID' }));
});
