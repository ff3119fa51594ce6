import { expect, test } from 'vitest';
import { JsonNumber, readJson } from '../../../../relay/audit/avro/exact-json.ts';

test('numbers are their texts, wherever they stand', () => {
  expect(readJson('{"a":[9007199254740993,-0,{"b":1.50}],"1":"2","c":1E400,"a2":null}')).toEqual({
    a: [new JsonNumber('9007199254740993'), new JsonNumber('-0'), { b: new JsonNumber('1.50') }],
    '1': '2',
    c: new JsonNumber('1E400'),
    a2: null,
  });
  expect(readJson(' 7 ')).toEqual(new JsonNumber('7'));
  expect(readJson(String.raw`"1\" 2"`)).toBe('1" 2');
});

test('a string with millions of escapes is read, and what is no JSON stays none', () => {
  const text = String.raw`\"`.repeat(3_000_000);
  expect(readJson(`["${text}",1]`)).toEqual(['"'.repeat(3_000_000), new JsonNumber('1')]);
  for (const wrong of ['{1:2}', '01', '1.', '-', '1 2', '1x', '[1,]', '+1', '.5', '1e', `"${text}`])
    expect(() => readJson(wrong)).toThrow(SyntaxError);
});
