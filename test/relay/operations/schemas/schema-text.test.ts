import { expect, test } from 'vitest';
import { compactJson, readSchemaText } from '../../../../relay/operations/schemas/schema-text.ts';

test('comments and a byte order mark are left out, and nothing that only looks like one', () => {
  const text = `\uFEFF// an order
{ "type": "record", /* as placed
     by a customer */ "name": "R", // "x": 1
  "doc": "see http://shop.example/*path*/ and \\"// this\\"",
  "fields": [] }
`;
  const { schema, schemaText } = readSchemaText(text);
  expect(schema).toEqual({
    type: 'record',
    name: 'R',
    doc: 'see http://shop.example/*path*/ and "// this"',
    fields: [],
  });
  expect(JSON.parse(schemaText)).toEqual(schema);
  expect(schemaText).not.toMatch(/\uFEFF|an order|customer/);
});

test.each([
  ['{\n  "type": "record",\n  "name": R\n}', /Unexpected token 'R' at line 3, column 11\.$/],
  ['{\n  "type": "record",\n}', /Expected double-quoted property name at line 3, column 1\.$/],
  ['{ "a": tru }', /Unexpected token ' ' at line 1, column 11\.$/],
  ['{ "type": "record"\n', /at line 2, column 1\.$/],
  ['{}\n\n x', /Unexpected non-whitespace character at line 3, column 2\.$/],
  ['/* a */ [1] /* no end', /at line 1, column 13\.$/],
  ['\uFEFF// only\n', /Unexpected end of JSON input at line 2, column 1\.$/],
  ["// one\n{'a': 1}", /at line 2, column 2\.$/],
])('%j is named with its place', (text, fault) => {
  expect(() => readSchemaText(text)).toThrow(
    expect.objectContaining({ code: 'SCHEMA_INVALID', message: expect.stringMatching(fault) }),
  );
});

test('compacting keeps what is inside strings, and every digit', () => {
  const text = '{ "a b" : "c \\" d" ,\n "n" : 12345678901234567890 }';
  expect(compactJson(text)).toBe('{"a b":"c \\" d","n":12345678901234567890}');
});
