import { expect, test } from 'vitest';
import { placeOf } from '../../../../console/web/parts/json-path.ts';
import { tokensOfPath } from '../../../../relay/operations/dead-letters/letter-path.ts';

const placed = (text: string, path: string) => {
  const place = placeOf(text, tokensOfPath(path)!)!;
  return { text: text.slice(place.from, place.to), isExact: place.isExact };
};

test.each([
  ['$', []],
  ['$.orderId', ['orderId']],
  ['$.lines[3].unitPrice', ['lines', 3, 'unitPrice']],
  ['$.attributes[*]', ['attributes', '*']],
  ['$.paid["shop.Card"].number', ['paid', 'shop.Card', 'number']],
])('reads the path %s', (path, tokens) => {
  expect(tokensOfPath(path)).toEqual(tokens);
});

test('reads nothing else as a path', () => {
  for (const path of [null, '', 'orderId', '$.', '$[', '$.a[x]', '$..a'])
    expect(tokensOfPath(path)).toBeUndefined();
});

const payload = '{ "orderId": "abc", "lines": [ {"p": 1}, {"p": "x"} ], "lines2": 3, "m": {"k": "v"} }';

test('finds the member that a path names', () => {
  expect(placed(payload, '$.orderId')).toEqual({ text: '"orderId": "abc"', isExact: true });
  expect(placed(payload, '$.lines[1].p')).toEqual({ text: '"p": "x"', isExact: true });
  expect(placed(payload, '$.lines[0]')).toEqual({ text: '{"p": 1}', isExact: true });
});

test('finds the place in the branch of a union', () => {
  const paid = '{ "paid": { "shop.Card": { "number": "1" } } }';
  expect(placed(paid, '$.paid["shop.Card"].number')).toEqual({ text: '"number": "1"', isExact: true });
});

test('finds what would hold a member that is missing', () => {
  expect(placed(payload, '$.lines[1].q')).toEqual({ text: '{"p": "x"}', isExact: false });
  expect(placed(payload, '$.nothing')).toEqual({ text: payload, isExact: false });
  expect(placed(payload, '$.m[*]')).toEqual({ text: '"m": {"k": "v"}', isExact: false });
});

test('takes the last of two members of one name, as the relay does', () => {
  expect(placed('{"a":1,"\\u0061":2}', '$.a').text).toBe('"\\u0061":2');
});
