import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compact, isJson, pretty, tokensOf } from '../../../../console/web/parts/json-text.ts';

test('lays out one member or element a line', () => {
  expect(pretty('{"a":[1,{"b":[]}],"c":{}, "d" : "x, y: {}"}')).toBe(
    '{\n  "a": [\n    1,\n    {\n      "b": []\n    }\n  ],\n  "c": {},\n  "d": "x, y: {}"\n}',
  );
});

test('keeps the digits of numbers and the escapes of strings', () => {
  const text = '{"n":9223372036854775807,"d":1.10,"e":1E400,"s":"\\u0041\\"\\\\","a":[-0]}';
  expect(compact(pretty(text))).toBe(text);
});

test('leaves what is not JSON as it is', () => {
  for (const text of ['', 'null null', '{"a":', "{'a': 1}"]) {
    expect(pretty(text)).toBe(text);
    expect(compact(text)).toBe(text);
  }
});

test('changes no token of any JSON', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(undefined, 1, '\t'), (json, space) => {
      const text = JSON.stringify(JSON.parse(json), undefined, space);
      expect(isJson(pretty(text))).toBe(true);
      expect([...tokensOf(pretty(text))]).toEqual([...tokensOf(text)]);
      expect(compact(text)).toBe(JSON.stringify(JSON.parse(json)));
    }),
  );
});

test('keeps a payload of brackets small', () => {
  const text = `${'['.repeat(3_000)}${']'.repeat(3_000)}`;
  expect(pretty(text).length).toBeLessThan(1_000_000);
  expect(compact(pretty(text))).toBe(text);
});
