import { describe, expect, test } from 'vitest';
import { depthMax } from '../../../../../relay/encode/formats/avro/nesting.ts';
import { compileWriter } from '../../../../../relay/encode/formats/avro/writer.ts';
import { ByteSink } from '../../../../../relay/encode/formats/byte-sink.ts';
import { parseLosslessJson } from '../../../../../relay/encode/formats/json.ts';
import { encode, refusal, roundTrip, typeOf } from './encoding.ts';

const suit = { type: 'enum', name: 'a.Suit', symbols: ['SPADES', 'HEARTS'] };
const four = { type: 'fixed', name: 'a.Four', size: 4 };
const point = {
  type: 'record',
  name: 'a.Point',
  fields: [
    { name: 'x', type: 'int' },
    { name: 'y', type: 'int', default: 7 },
  ],
};
const node = {
  type: 'record',
  name: 'a.Node',
  fields: [
    { name: 'value', type: 'int' },
    { name: 'next', type: ['null', 'Node'], default: null },
  ],
};

describe('accepted, and read back by avsc', () => {
  test.each<[schema: unknown, json: string, decoded: unknown]>([
    ['null', 'null', null],
    ['boolean', 'true', true],
    ['int', '2147483647', 2147483647],
    ['int', '-2147483648', -2147483648],
    ['int', '1.0', 1],
    ['int', '1e3', 1000],
    ['int', '-0', 0],
    ['int', '5.00000000000000000000', 5],
    ['long', '1.0', 1n],
    ['long', '9007199254740993', 9007199254740993n],
    ['long', '9223372036854775807', 9223372036854775807n],
    ['long', '-9223372036854775808', -9223372036854775808n],
    ['long', '123456789012345e3', 123456789012345000n],
    ['long', '9223372036854775807.0', 9223372036854775807n],
    [{ type: 'long' }, '9007199254740993', 9007199254740993n],
    ['float', '0.5', 0.5],
    ['float', '0.1', Math.fround(0.1)],
    ['float', '-0', -0],
    ['double', '0.1', 0.1],
    ['double', '-0', -0],
    ['double', '9007199254740993', 9007199254740992],
    ['double', '0.1000000000000000055', 0.1],
    ['double', '1.7976931348623157e308', Number.MAX_VALUE],
    ['double', '1e-400', 0],
    ['string', '""', ''],
    ['string', '"Zoë 😀 \\u0000"', 'Zoë 😀 \u0000'],
    ['bytes', '""', '0x'],
    ['bytes', '"/+8="', '0xffef'],
    [four, '"AQIDBA=="', '0x01020304'],
    [suit, '"HEARTS"', 'HEARTS'],
    [{ type: 'array', items: 'int' }, '[]', []],
    [{ type: 'array', items: 'long' }, '[1,2]', [1n, 2n]],
    [{ type: 'map', values: 'int' }, '{}', {}],
    [{ type: 'map', values: 'int' }, '{"é":1,"constructor":2}', { é: 1, constructor: 2 }],
    [point, '{"y":2,"x":1}', { x: 1, y: 2 }],
    [point, '{"x":1}', { x: 1, y: 7 }],
    [point, '{"x":0,"x":1}', { x: 1, y: 7 }],
    [node, '{"value":1,"next":{"value":2}}', { value: 1, next: { value: 2, next: null } }],
    [
      {
        type: 'record',
        name: 'Odd',
        fields: ['constructor', 'toString'].map((name) => ({ name, type: 'int' })),
      },
      '{"constructor":1,"toString":2}',
      { constructor: 1, toString: 2 },
    ],
    [{ type: { type: 'array', items: { type: 'string' } } }, '["a"]', ['a']],
  ])('%j %s', (schema, json, decoded) => {
    expect(roundTrip(schema, json)).toStrictEqual(decoded);
  });
});

describe('refused, with the place and the type, never the value', () => {
  test.each<[schema: unknown, json: string, refused: string]>([
    ['null', '0', '$: null <- integer'],
    ['boolean', '"true"', '$: boolean <- string'],
    ['boolean', '1', '$: boolean <- integer'],
    ['int', '2147483648', '$: int <- integer out of range'],
    ['int', '-2147483649', '$: int <- integer out of range'],
    ['int', '1.5', '$: int <- number with a fraction'],
    ['int', '1.00000000000000000001', '$: int <- number with a fraction'],
    ['int', '"1"', '$: int <- string'],
    ['long', '9223372036854775808', '$: long <- integer out of range'],
    ['long', '-9223372036854775809', '$: long <- integer out of range'],
    ['long', '1e400', '$: long <- integer out of range'],
    ['long', '1e-400', '$: long <- number with a fraction'],
    ['long', '0.5', '$: long <- number with a fraction'],
    ['long', '"1"', '$: long <- string'],
    ['float', '1e39', '$: float <- number out of range'],
    ['double', '1e400', '$: double <- number out of range'],
    ['double', '-1e400', '$: double <- number out of range'],
    ['double', '"NaN"', '$: double <- string'],
    ['string', '1', '$: string <- integer'],
    ['string', 'null', '$: string <- null'],
    ['string', '"a\\ud800"', '$: string <- string with a lone surrogate'],
    ['bytes', '"a"', '$: bytes (base64) <- string that is not base64'],
    ['bytes', '"_-8="', '$: bytes (base64) <- string that is not base64'],
    ['bytes', '"/+8"', '$: bytes (base64) <- string that is not base64'],
    ['bytes', '"/+9="', '$: bytes (base64) <- string that is not base64'],
    ['bytes', '"/+ 8="', '$: bytes (base64) <- string that is not base64'],
    ['bytes', '[1]', '$: bytes (base64) <- array'],
    [four, '"AQID"', '$: fixed a.Four (4 bytes, base64) <- wrong number of bytes'],
    [suit, '"CLUBS"', '$: enum a.Suit <- string that is not one of its symbols'],
    [suit, '"toString"', '$: enum a.Suit <- string that is not one of its symbols'],
    [suit, '0', '$: enum a.Suit <- integer'],
    [{ type: 'array', items: 'int' }, '[1,"2"]', '$[1]: int <- string'],
    [{ type: 'array', items: 'int' }, '{"0":1}', '$: array <- object'],
    [{ type: 'map', values: 'int' }, '{"a":1,"b":null}', '$[*]: int <- null'],
    [{ type: 'map', values: 'int' }, '{"\\ud800":1}', '$[*]: string <- key with a lone surrogate'],
    [{ type: 'map', values: 'int' }, '[]', '$: map <- array'],
    [{ type: 'map', values: 'int' }, '1e400', '$: map <- number'],
    [point, '{"y":1}', '$.x: int <- nothing'],
    [point, '{"x":1,"z":1}', '$: only fields of record a.Point <- an undeclared field'],
    [point, '{"x":1,"__proto__":{}}', '$: only fields of record a.Point <- an undeclared field'],
    [point, '{"x":"1"}', '$.x: int <- string'],
    [point, '[]', '$: record a.Point <- array'],
    [point, 'null', '$: record a.Point <- null'],
    [node, '{"value":1,"next":{"value":2,"next":{"value":"3"}}}', '$.next.next.value: int <- string'],
    [
      { type: 'record', name: 'P', fields: [{ name: '__proto__', type: 'int' }] },
      '{}',
      '$.__proto__: int <- nothing',
    ],
    [
      { type: 'record', name: 'P', fields: [{ name: 'constructor', type: 'int' }] },
      '{}',
      '$.constructor: int <- nothing',
    ],
    [
      { type: 'record', name: 'Source', fields: [{ name: 'source', type: 'string' }] },
      '1e400',
      '$: record Source <- number',
    ],
    [
      { type: 'map', values: { type: 'array', items: point } },
      '{"secret":[{"x":1},{"x":true}]}',
      '$[*][1].x: int <- boolean',
    ],
  ])('%j %s', (schema, json, refused) => {
    expect(refusal(schema, json)).toBe(refused);
  });

  test('an unsafe integer that no parser made is not trusted', () => {
    const write = compileWriter(typeOf('long'));
    expect(() => write(2 ** 60, new ByteSink())).toThrow('integer out of range');
    expect(() => compileWriter(typeOf('double'))(Number.NaN, new ByteSink())).toThrow('number out of range');
  });
});

test('a map keeps the key __proto__', () => {
  const bytes = encode(typeOf({ type: 'map', values: 'int' }), '{"__proto__":1}');
  expect(bytes.toString('latin1')).toBe('\x02\x12__proto__\x02\x00');
});

describe('bounds', () => {
  const nested = (levels: number) =>
    `${'{"value":1,"next":'.repeat(levels - 1)}{"value":1}${'}'.repeat(levels - 1)}`;

  test('records nest as deep as the bound and no deeper, and the next event is not affected', () => {
    const type = typeOf(node);
    const write = compileWriter(type);
    const sink = new ByteSink();
    expect(() => write(parseLosslessJson(nested(100_000)), sink)).toThrow(
      `at most ${depthMax} nested records`,
    );
    sink.truncate(0);
    write(parseLosslessJson(nested(depthMax)), sink);
    expect(sink.position).toBe(2 * depthMax);
    expect(() => write(parseLosslessJson(nested(depthMax + 1)), sink)).toThrow('found more');
  });

  test('a huge array is written', () => {
    const json = `[${'7,'.repeat(999_999)}7]`;
    expect(roundTrip({ type: 'array', items: 'int' }, json)).toHaveLength(1_000_000);
  });
});
