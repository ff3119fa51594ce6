import { describe, expect, test } from 'vitest';
import { parseJsonAsWritten } from '../../../../relay/encode/formats/json.ts';
import { applyPatch, isPlaced, PatchInvalid } from '../../../../relay/operations/dead-letters/json-patch.ts';
import { jsonText } from '../../../../relay/operations/json-text.ts';

const patched = (document: string, patch: string) =>
  jsonText(applyPatch(parseJsonAsWritten(document), patch));

// Examples of RFC 6902, appendix A.
test.each([
  ['{"foo":"bar"}', '[{"op":"add","path":"/baz","value":"qux"}]', '{"foo":"bar","baz":"qux"}'],
  ['{"foo":["bar","baz"]}', '[{"op":"add","path":"/foo/1","value":"qux"}]', '{"foo":["bar","qux","baz"]}'],
  ['{"baz":"qux","foo":"bar"}', '[{"op":"remove","path":"/baz"}]', '{"foo":"bar"}'],
  ['{"foo":["bar","qux","baz"]}', '[{"op":"remove","path":"/foo/1"}]', '{"foo":["bar","baz"]}'],
  [
    '{"baz":"qux","foo":"bar"}',
    '[{"op":"replace","path":"/baz","value":"boo"}]',
    '{"baz":"boo","foo":"bar"}',
  ],
  ['{"foo":["bar"]}', '[{"op":"add","path":"/foo/-","value":["abc"]}]', '{"foo":["bar",["abc"]]}'],
  ['{"/":9,"~1":10}', '[{"op":"replace","path":"/~01","value":11}]', '{"/":9,"~1":11}'],
  ['null', '[{"op":"replace","path":"","value":{"a":1}}]', '{"a":1}'],
  [
    '{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}',
    '[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]',
    '{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}',
  ],
  [
    '{"foo":["all","grass","cows","eat"]}',
    '[{"op":"move","from":"/foo/1","path":"/foo/3"}]',
    '{"foo":["all","cows","eat","grass"]}',
  ],
  ['{"a":{"b":1}}', '[{"op":"copy","from":"/a","path":"/c"}]', '{"a":{"b":1},"c":{"b":1}}'],
  ['{"a":1.50}', '[{"op":"test","path":"/a","value":1.5},{"op":"remove","path":"/a"}]', '{}'],
  ['{"a":{"b":1,"c":[2]}}', '[{"op":"test","path":"/a","value":{"c":[2],"b":1}}]', '{"a":{"b":1,"c":[2]}}'],
  [
    '{"a":9007199254740993}',
    '[{"op":"test","path":"/a","value":9007199254740993}]',
    '{"a":9007199254740993}',
  ],
])('%s patched by %s is %s', (document, patch, expected) => {
  expect(patched(document, patch)).toBe(expected);
});

test('no digit of a number is lost, neither in what is patched nor in what is given', () => {
  const document = '{"a":9223372036854775807,"b":0.1000000000000000055,"c":1}';
  expect(patched(document, '[{"op":"replace","path":"/c","value":9007199254740993}]')).toBe(
    '{"a":9223372036854775807,"b":0.1000000000000000055,"c":9007199254740993}',
  );
});

test('what a patch does not name stays as it was written, to the digit', () => {
  const numbers = '-0.0020,-0,0.0,1.50,1e3,1E+2,12e-1,100000000000000000000,9007199254740993,1e400,-1.10,0.1';
  const document = `{"a":[${numbers}],"1.50":{"b":2.0},"c":"1.50"}`;
  const after = patched(document, '[{"op":"replace","path":"/c","value":-7.10}]');
  expect(after).toBe(document.replace('"1.50"}', '-7.10}'));
  const moved = patched('{"a":{"b":1.0}}', '[{"op":"copy","from":"/a","path":"/c"}]');
  expect(moved).toBe('{"a":{"b":1.0},"c":{"b":1.0}}');
});

describe('convert', () => {
  const to = (type: string, value: string) =>
    patched(`{"a":${value},"b":1.50}`, `[{"op":"convert","path":"/a","to":"${type}"}]`);
  const is = (value: string) => `{"a":${value},"b":1.50}`;

  test.each([
    '1',
    '-7',
    '0',
    '-0',
    '1.50',
    '1e3',
    '1E+2',
    '9007199254740993',
    '9223372036854775807',
    '0.1000000000000000055',
    '1e400',
    `${'9'.repeat(1_000)}.${'0'.repeat(1_000)}`,
  ])('gives the text %s as the number with the same digits, and back', (digits) => {
    expect(to('number', `"${digits}"`)).toBe(is(digits));
    expect(to('text', digits)).toBe(is(`"${digits}"`));
  });

  test.each([
    '',
    ' ',
    ' 1',
    '1 ',
    '1\n',
    '01',
    '-01',
    '+1',
    '1.',
    '.5',
    '1,5',
    '1e',
    '0x10',
    'NaN',
    'Infinity',
    '1 2',
    '١',
    '"1"',
  ])('leaves the text %j alone, which is not a number', (text) => {
    expect(() => to('number', JSON.stringify(text))).toThrow(
      'operation 0 (convert /a): the text there is not a number of JSON',
    );
  });

  test.each([
    ['number', 'null', 'null is there, which is not converted to a number'],
    ['number', 'true', 'a boolean is there, which is not converted to a number'],
    ['number', '["1"]', 'a list is there, which is not converted to a number'],
    ['text', 'null', 'null is there, which is not converted to a text'],
    ['text', '{"x":1}', 'an object is there, which is not converted to a text'],
    ['boolean', '1', 'a number is there, which is not converted to a boolean'],
    ['boolean', '"True"', 'the text there is not a boolean of JSON'],
    ['boolean', '"null"', 'the text there is not a boolean of JSON'],
  ])('to %s leaves %s alone, and says what is there', (type, value, reason) => {
    expect(() => to(type, value)).toThrow(`operation 0 (convert /a): ${reason}`);
  });

  test('of a text that says true or false, and back', () => {
    expect(to('boolean', '"true"')).toBe(is('true'));
    expect(to('boolean', '"false"')).toBe(is('false'));
    expect(to('text', 'false')).toBe(is('"false"'));
  });

  test('changes nothing where the type is that already', () => {
    expect(to('number', '1.0')).toBe(is('1.0'));
    expect(to('text', '"1.0"')).toBe(is('"1.0"'));
    expect(to('boolean', 'true')).toBe(is('true'));
  });

  test('keeps the place, and needs something there', () => {
    expect(patched('{"l":["1","2"]}', '[{"op":"convert","path":"/l/0","to":"number"}]')).toBe(
      '{"l":[1,"2"]}',
    );
    expect(patched('"12"', '[{"op":"convert","path":"","to":"number"}]')).toBe('12');
    expect(() => patched('{}', '[{"op":"convert","path":"/a","to":"number"}]')).toThrow('nothing is there');
    expect(() => patched('{"a":"1"}', '[{"op":"convert","path":"/a","to":"integer"}]')).toThrow(PatchInvalid);
  });
});

describe('* in place of an index', () => {
  const document = '{"lines":[{"n":"1"},{"n":2},{"n":"1"}],"*":[5]}';
  const at = (patch: string, ...places: string[]) =>
    jsonText(applyPatch(parseJsonAsWritten(document), patch, places));
  const setN = '[{"op":"replace","path":"/lines/*/n","value":1}]';

  test('is the element at which the event is refused, and no other', () => {
    expect(at(setN, '$.lines[0].n')).toBe('{"lines":[{"n":1},{"n":2},{"n":"1"}],"*":[5]}');
    expect(at(setN, '$.lines[2].n', '$.lines[0].n')).toBe('{"lines":[{"n":1},{"n":2},{"n":1}],"*":[5]}');
    expect(at('[{"op":"move","from":"/lines/*/n","path":"/lines/*/m"}]', '$.lines[1].n')).toBe(
      '{"lines":[{"n":"1"},{"m":2},{"n":"1"}],"*":[5]}',
    );
    expect(at('[{"op":"convert","path":"/lines/*/n","to":"number"}]', '$.lines[2].n')).toBe(
      '{"lines":[{"n":"1"},{"n":2},{"n":1}],"*":[5]}',
    );
    // The place may lie deeper than the patch reaches.
    expect(at('[{"op":"remove","path":"/lines/*"}]', '$.lines[1].n')).toBe(
      '{"lines":[{"n":"1"},{"n":"1"}],"*":[5]}',
    );
  });

  test('is a member of that name where there is one', () => {
    expect(at('[{"op":"replace","path":"/*/0","value":6}]')).toContain('"*":[6]');
  });

  test.each([
    ['nowhere known', []],
    ['in another field', ['$.others[0].n']],
    ['before the list', ['$.lines']],
    ['at a key of a map, which nobody knows', ['$.lines[*].n']],
  ])('where the event is refused %s, is refused', (_, places) => {
    expect(() => at(setN, ...places)).toThrow('it is not refused at an element that * stands for');
  });

  test('is known of a patch', () => {
    expect([setN, '[{"op":"remove","path":"/a/*"}]'].map(isPlaced)).toEqual([true, true]);
    expect(['[{"op":"remove","path":"/a/b*"}]', '[]'].map(isPlaced)).toEqual([false, false]);
  });
});

test('a patch that doubles the document with each operation ends', () => {
  const doubling = Array.from({ length: 40 }, (_, n) => ({ op: 'copy', from: '', path: `/c${n}` }));
  expect(() => patched('{"a":[1,2,3]}', JSON.stringify(doubling))).toThrow('copies too much');
});

test.each([
  ['[{"op":"remove","path":""}]', 'removes all'],
  [`[{"op":"add","path":"/a","value":${'['.repeat(5_000)}${']'.repeat(5_000)}}]`, 'nested too deeply'],
  [`[${[...Array(8).keys()].map((n) => nested(n)).join()}]`, 'nests the payload too deeply'],
])('%.40s is refused', (patch, why) => {
  expect(() => patched('{"a":0}', patch)).toThrow(why);
});

/** Each adds 300 levels below those of the one before. */
function nested(n: number): string {
  const path = `/a${'/0'.repeat(n * 300)}`;
  return `{"op":"${n === 0 ? 'add' : 'replace'}","path":"${path}","value":${'['.repeat(300)}0${']'.repeat(300)}}`;
}

test('__proto__ is a member like any other', () => {
  const after = patched('{"__proto__":{"a":1}}', '[{"op":"add","path":"/__proto__/b","value":2}]');
  expect(after).toBe('{"__proto__":{"a":1,"b":2}}');
  expect(patched('{}', '[{"op":"add","path":"/__proto__","value":{"evil":1}}]')).toBe(
    '{"__proto__":{"evil":1}}',
  );
  expect(() => patched('{}', '[{"op":"add","path":"/__proto__/evil","value":1}]')).toThrow(PatchInvalid);
  expect(Object.hasOwn(Object.prototype, 'evil')).toBe(false);
});

test('the document that was given stays as it was', () => {
  const document = parseJsonAsWritten('{"a":[1]}');
  applyPatch(document, '[{"op":"add","path":"/a/-","value":2}]');
  expect(jsonText(document)).toBe('{"a":[1]}');
});

test.each([
  ['{"a":1}', 'no json'],
  ['{"a":1}', '{"op":"remove","path":"/a"}'],
  ['{"a":1}', '[{"op":"move","path":"/b"}]'],
  ['{"a":1}', '[{"op":"move","from":"/b","path":"/a"}]'],
  ['{"a":{"b":1}}', '[{"op":"move","from":"/a","path":"/a/b"}]'],
  ['{"a":1}', '[{"op":"copy","from":"/b","path":"/c"}]'],
  ['{"a":9007199254740993}', '[{"op":"test","path":"/a","value":9007199254740992}]'],
  ['{"a":[1]}', '[{"op":"test","path":"/a","value":{"0":1}}]'],
  ['{"a":1}', '[{"op":"remove","path":"a"}]'],
  ['{"a":1}', '[{"op":"remove","path":"/b"}]'],
  ['{"a":1}', '[{"op":"replace","path":"/b","value":1}]'],
  ['{"a":1}', '[{"op":"add","path":"/b"}]'],
  ['{"a":1}', '[{"op":"add","path":"/b/c","value":1}]'],
  ['[1]', '[{"op":"add","path":"/2","value":1}]'],
  ['[1]', '[{"op":"remove","path":"/-"}]'],
  ['[1]', '[{"op":"remove","path":"/00"}]'],
])('%s cannot be patched by %s', (document, patch) => {
  expect(() => patched(document, patch)).toThrow(PatchInvalid);
});
