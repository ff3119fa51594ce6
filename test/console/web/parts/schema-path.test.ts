import { expect, test } from 'vitest';
import { tokensOfPath } from '../../../../console/web/parts/json-path-tokens.ts';
import { schemaPlace } from '../../../../console/web/parts/schema-path.ts';

const schema = JSON.stringify({
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: 'string' },
    {
      name: 'lines',
      type: {
        type: 'array',
        items: { type: 'record', name: 'Line', fields: [{ name: 'price', type: ['null', 'long'] }] },
      },
    },
    { name: 'first', type: ['null', 'Line'] },
    { name: 'more', type: { type: 'map', values: 'shop.Line' } },
  ],
});

test.each([
  ['$.id', ['fields', 0]],
  ['$.lines', ['fields', 1]],
  ['$.lines[7].price', ['fields', 1, 'type', 'items', 'fields', 0]],
  ['$.first.price', ['fields', 1, 'type', 'items', 'fields', 0]],
  ['$.more[*].price', ['fields', 1, 'type', 'items', 'fields', 0]],
  ['$.unknown', []],
  ['$', []],
])('finds what describes %s', (path, place) => {
  expect(schemaPlace(schema, 'shop.Order', tokensOfPath(path)!)).toEqual(place);
});

test('finds the record of the event among several', () => {
  const union = JSON.stringify([
    { type: 'record', name: 'a.One', fields: [{ name: 'x', type: 'int' }] },
    { type: 'record', name: 'a.Two', fields: [{ name: 'x', type: 'string' }] },
  ]);
  expect(schemaPlace(union, 'a.Two', ['x'])).toEqual([1, 'fields', 0]);
  expect(schemaPlace('{', 'a.Two', ['x'])).toBeUndefined();
});
