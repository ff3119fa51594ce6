import { describe, expect, test } from 'vitest';
import { compileWriter } from '../../../../../relay/encode/formats/avro/writer.ts';
import { ByteSink } from '../../../../../relay/encode/formats/byte-sink.ts';
import { parseLosslessJson } from '../../../../../relay/encode/formats/json.ts';
import { encode, refusal, typeOf } from './encoding.ts';

const card = { type: 'record', name: 'a.Card', fields: [{ name: 'number', type: 'string' }] };
const bank = { type: 'record', name: 'a.Bank', fields: [{ name: 'iban', type: 'string' }] };
const boxed = { type: 'record', name: 'a.Boxed', fields: [{ name: 'string', type: 'string' }] };
const suit = { type: 'enum', name: 'a.Suit', symbols: ['SPADES', 'HEARTS'] };
const price = { type: 'bytes', logicalType: 'decimal', precision: 6, scale: 2 };
const instant = { type: 'long', logicalType: 'timestamp-millis' };
const map = { type: 'map', values: 'string' };

describe('the branch that a value takes', () => {
  test.each<[union: unknown[], json: string, branch: number]>([
    [['null', 'string'], 'null', 0],
    [['null', 'string'], '"x"', 1],
    [['string', 'null'], 'null', 1],
    [['string', 'null'], '"x"', 0],
    [['null', 'string'], '{"string":"x"}', 1],
    [['null', card], '{"number":"1"}', 1],
    [['null', card], '{"a.Card":{"number":"1"}}', 1],
    [['int', 'long', 'double'], '5', 0],
    [['int', 'long', 'double'], '5000000000', 1],
    [['int', 'long', 'double'], '5.5', 2],
    [['int', 'long', 'double'], '9223372036854775808', 2],
    [['int', 'long', 'double'], '{"long":5}', 1],
    [['long', 'int'], '5', 0],
    [['double', 'int'], '5', 0],
    [['double', 'long'], '9007199254740993', 1],
    [['float', 'double'], '0.5', 0],
    [['float', 'double'], '0.1', 1],
    [['null', 'float'], '0.1', 1],
    [['float', 'string'], '0.1', 0],
    [['float', 'double'], '0.1000000000000000055', 0],
    [[suit, 'string'], '"HEARTS"', 0],
    [[suit, 'string'], '"CLUBS"', 1],
    [['string', suit], '"HEARTS"', 0],
    [['bytes', 'string'], '"AQID"', 1],
    [['bytes', 'string'], '{"bytes":"AQID"}', 0],
    [['bytes', 'int'], '"AQID"', 0],
    [['bytes', suit], '"HEARTS"', 1],
    [[price, 'string'], '"12.50"', 0],
    [[price, 'string'], '"12.505"', 1],
    [['string', price], '12.5', 1],
    [['double', price], '12.5', 0],
    [[instant, 'string'], '"2024-05-01T00:00:00Z"', 0],
    [[instant, 'string'], '"2024-05-01"', 1],
    [[card, bank], '{"number":"1"}', 0],
    [[card, bank], '{"iban":"1"}', 1],
    [[card, bank], '{"a.Bank":{"iban":"1"}}', 1],
    [[card, map], '{"number":"1"}', 0],
    [[map, card], '{"number":"1"}', 0],
    [[card, map], '{"iban":"1"}', 1],
    [['null', 'string', map], '{"string":"x"}', 2],
    [['null', 'string', boxed], '{"string":"x"}', 2],
    [['null', 'string', boxed], '{"string":null}', -1],
    [['null', 'string', boxed], '{"a.Boxed":{"string":"x"}}', 2],
    [['boolean', { type: 'array', items: 'int' }], '[1]', 1],
    [['boolean', { type: 'array', items: 'int' }], '{"array":[1]}', 1],
  ])('%j %s', (schema, json, branch) => {
    if (branch < 0) expect(refusal(schema, json)).not.toBe('accepted');
    else expect(encode(typeOf(schema), json)[0]).toBe(branch * 2);
  });
});

describe('a value that two named types take', () => {
  const name = { name: 'number', type: 'string' };
  const iban = {
    type: 'record',
    name: 'a.Iban',
    fields: [name, { name: 'bic', type: 'string', default: '' }],
  };
  const coin = { type: 'enum', name: 'a.Coin', symbols: ['HEADS', 'HEARTS'] };
  const [tag, code] = ['a.Tag', 'a.Code'].map((each) => ({ type: 'fixed', name: each, size: 3 }));

  test.each<[union: unknown[], json: string, refused: string]>([
    [[card, iban], '{"number":"1"}', 'object that fits record a.Card and record a.Iban'],
    [[iban, card], '{"number":"1"}', 'object that fits record a.Iban and record a.Card'],
    [['null', card, map, iban], '{"number":"1"}', 'object that fits record a.Card and record a.Iban'],
    [[suit, coin], '"HEARTS"', 'string that fits enum a.Suit and enum a.Coin'],
    [
      [tag, code],
      '"AQID"',
      'string that fits fixed a.Tag (3 bytes, base64) and fixed a.Code (3 bytes, base64)',
    ],
  ])('of %j is refused: %s', (schema, json, refused) => {
    expect(refusal(schema, json)).toContain(refused);
    expect(refusal(schema, json)).toContain('named as {"a.');
  });

  test.each<[union: unknown[], json: string, branch: number]>([
    [[card, iban], '{"number":"1","bic":"2"}', 1],
    [[card, iban], '{"a.Card":{"number":"1"}}', 0],
    [[card, iban], '{"a.Iban":{"number":"1"}}', 1],
    [[suit, coin], '"HEADS"', 1],
    [[suit, coin], '{"a.Coin":"HEARTS"}', 1],
  ])('of %j is not %s', (schema, json, branch) => {
    expect(encode(typeOf(schema), json)[0]).toBe(branch * 2);
  });

  test('at the bottom of a deep payload is found quickly, and so is its absence', () => {
    const child = { name: 'child', type: ['null', 'Left', 'Right'], default: null };
    const left = { type: 'record', name: 'Left', fields: [child, { name: 'l', type: 'int', default: 0 }] };
    const right = { type: 'record', name: 'Right', fields: [child, { name: 'r', type: 'int', default: 0 }] };
    const first = { ...left, fields: [{ ...child, type: ['null', 'Left', right] }, left.fields[1]] };
    const chain = (end: string) => `${'{"l":1,"child":'.repeat(200)}${end}${'}'.repeat(200)}`;
    expect(refusal([first, 'Right'], chain('{"r":1}'))).toBe('accepted');
    expect(refusal([first, 'Right'], chain('{}'))).not.toBe('accepted');
  });
});

test('a failed branch leaves no bytes behind', () => {
  const type = typeOf([
    { type: 'record', name: 'A', fields: ['x', 'y'].map((name) => ({ name, type: 'int' })) },
    { type: 'record', name: 'B', fields: ['x', 'y'].map((name) => ({ name, type: ['int', 'string'] })) },
  ]);
  expect(encode(type, '{"x":1,"y":"z"}').toString('hex')).toBe('02000202027a');
});

test('a long list may take the second branch for every element', () => {
  const fields = (type: string) => [{ name: 'x', type }];
  const items = [
    { type: 'record', name: 'A', fields: fields('int') },
    { type: 'record', name: 'B', fields: fields('string') },
  ];
  const json = `[${Array(20_000).fill('{"x":"b"}').join()}]`;
  expect(refusal({ type: 'array', items }, json)).toBe('accepted');
});

describe('a refusal', () => {
  test.each<[union: unknown[], json: string, refused: string]>([
    [['null', 'string'], '1', '$: null or string <- integer'],
    [['null', card], '{"number":1}', '$.number: string <- integer'],
    [['null', card], '{"a.Card":{"number":1}}', '$["a.Card"].number: string <- integer'],
    [['null', card], '{"secret":1}', '$.number: string <- nothing'],
    [['null', 'int', card], '{"number":1}', '$.number: string <- integer'],
    [['int', 'string'], '{"int":"x"}', '$["int"]: int <- string'],
    [[card, bank], '{"number":1}', '$: record a.Card or record a.Bank <- object that fits none of them'],
    [['int', 'double'], '1e400', '$: int or double <- number that fits none of them'],
  ])('%j %s', (schema, json, refused) => {
    expect(refusal(schema, json)).toBe(refused);
  });

  test('comes quickly even if every level of a payload could be either of two records', () => {
    const child = ['null', 'Left', 'Right'];
    const left = { type: 'record', name: 'Left', fields: [{ name: 'child', type: ['null', 'Left'] }] };
    const right = { type: 'record', name: 'Right', fields: [{ name: 'child', type: child }] };
    const schema = [{ ...left, fields: [{ name: 'child', type: ['null', 'Left', right] }] }, 'Right'];
    const write = compileWriter(typeOf(schema));
    const payload = parseLosslessJson(`${'{"child":'.repeat(100)}1${'}'.repeat(100)}`);
    expect(() => write(payload, new ByteSink())).toThrow('found');
  });
});
