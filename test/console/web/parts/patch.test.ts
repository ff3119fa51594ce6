import { expect, test } from 'vitest';
import {
  examplePatch,
  isSamePatch,
  patchFault,
  pointerOf,
  type Step,
  writePatch,
} from '../../../../console/web/parts/patch.ts';
import { parseJsonAsWritten } from '../../../../relay/encode/formats/json.ts';
import { applyPatch } from '../../../../relay/operations/dead-letters/json-patch.ts';
import { jsonText } from '../../../../relay/operations/json-text.ts';

const applied = (document: string, ...steps: Step[]) => {
  const written = writePatch(steps);
  if ('fault' in written) throw new Error(written.fault);
  return jsonText(applyPatch(parseJsonAsWritten(document), written.patch));
};

test.each([
  ['$.paid["shop.Card"].number', '/paid/shop.Card/number'],
  ['orderId', '/orderId'],
  ['$.lines[3].price', '/lines/3/price'],
  ['lines[3]', '/lines/3'],
  ['$.lines[*].price', '/lines/*/price'],
  ['/a~1b/0', '/a~1b/0'],
  ['a/b', '/a~1b'],
  ['', ''],
])('reads the field %j', (path, pointer) => {
  expect(pointerOf(path)).toBe(pointer);
});

test.each(['a..b', '[x]', 'a[', '/a~2'])('refuses the field %j', (path) => {
  expect(pointerOf(path)).toBeUndefined();
});

test('sets a field, whether it is there or not, with all its digits', () => {
  const step: Step = { kind: 'set', path: 'n', as: 'number', value: '9223372036854775807' };
  expect(applied('{"n":1,"b":2}', step)).toBe('{"n":9223372036854775807,"b":2}');
  expect(applied('{}', step)).toBe('{"n":9223372036854775807}');
});

test('replaces an element of an array and moves none', () => {
  expect(applied('{"a":[1,2]}', { kind: 'set', path: 'a[0]', as: 'text', value: '"' })).toBe(
    '{"a":["\\"",2]}',
  );
});

test('replaces the element at which an event is refused', () => {
  const step: Step = { kind: 'set', path: 'a[*]', as: 'number', value: '7' };
  expect(writePatch([step])).toEqual({ patch: '[\n  { "op": "replace", "path": "/a/*", "value": 7 }\n]' });
});

test('writes each kind of value', () => {
  const set = (as: 'json' | 'true' | 'null', value = '') =>
    applied('{}', { kind: 'set', path: 'v', as, value });
  expect(set('json', '{ "x": 1.25 }')).toBe('{"v":{"x":1.25}}');
  expect(set('true')).toBe('{"v":true}');
  expect(set('null')).toBe('{"v":null}');
});

test('removes a field', () => {
  expect(applied('{"a":1,"b":2}', { kind: 'remove', path: 'a' })).toBe('{"b":2}');
});

test('says which step is wrong', () => {
  const good: Step = { kind: 'remove', path: 'a' };
  expect(writePatch([good, { kind: 'set', path: 'b', as: 'number', value: '1,5' }])).toEqual({
    fault: 'Write a number',
    step: 1,
  });
  expect(writePatch([{ kind: 'rename', path: 'a', to: ' ' }])).toMatchObject({ step: 0 });
  expect(writePatch([{ kind: 'remove', path: '' }])).toMatchObject({ step: 0 });
});

test('writes a rename as a move beside the old name', () => {
  expect(writePatch([{ kind: 'rename', path: 'lines[0].prize', to: 'pri/ce' }])).toEqual({
    patch: '[\n  { "op": "move", "from": "/lines/0/prize", "path": "/lines/0/pri~1ce" }\n]',
  });
});

test('says what is wrong with a patch as text', () => {
  expect(patchFault('[')).toMatch(/not JSON/);
  expect(patchFault('{}')).toMatch(/not a list/);
  expect(patchFault('[]')).toMatch(/no operation/);
  expect(patchFault('[{"op":"remove","path":"/a"}]')).toBeUndefined();
});

test('converts the value that each event has, and keeps its digits', () => {
  const step: Step = { kind: 'convert', path: '$.lines[1].quantity', to: 'number' };
  expect(applied('{"n":1.50,"lines":[{"quantity":1},{"quantity":"9007199254740993.10"}]}', step)).toBe(
    '{"n":1.50,"lines":[{"quantity":1},{"quantity":9007199254740993.10}]}',
  );
});

test.each(['seq', '$.lines[*].price', '$.paid["shop.Card"].number', '', '$', 'a..b'])(
  'begins the text of a patch of the field %j with an example that is valid',
  (path) => {
    const example = examplePatch(path);
    expect(patchFault(example)).toBeUndefined();
    expect(JSON.parse(example)).toHaveLength(1);
  },
);

test('begins the text of a patch with the field that fails, whose own value it keeps', () => {
  const patched = (document: string) =>
    jsonText(applyPatch(parseJsonAsWritten(document), examplePatch('seq')));
  expect(patched('{"seq":"12","b":"12"}')).toBe('{"seq":12,"b":"12"}');
  expect(() => patched('{"seq":"twelve"}')).toThrow();
  expect(() => applyPatch(parseJsonAsWritten('{"seq":1}'), examplePatch(''))).toThrow();
});

test('knows an example again that was only laid out', () => {
  const example = examplePatch('seq');
  expect(isSamePatch(example, ` ${example.replaceAll(' ', '')}\n`)).toBe(true);
  expect(isSamePatch(example, example.replace('number', 'text'))).toBe(false);
});
