import { expect, test } from 'vitest';
import { schemaPlace } from '../../../../console/web/parts/schema-path.ts';
import { tokensOfPath } from '../../../../relay/operations/dead-letters/letter-path.ts';

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
    {
      name: 'paid',
      type: [
        'null',
        { type: 'record', name: 'Cash', fields: [{ name: 'number', type: 'int' }] },
        { type: 'record', name: 'Card', fields: [{ name: 'number', type: 'string' }] },
        { type: 'array', items: 'Card' },
        'Line',
      ],
    },
    { name: 'more', type: { type: 'map', values: 'shop.Line' } },
  ],
});

test.each([
  ['$.id', ['fields', 0]],
  ['$.lines', ['fields', 1]],
  ['$.lines[7].price', ['fields', 1, 'type', 'items', 'fields', 0]],
  ['$.first.price', ['fields', 1, 'type', 'items', 'fields', 0]],
  ['$.more[*].price', ['fields', 1, 'type', 'items', 'fields', 0]],
  ['$.paid["shop.Card"].number', ['fields', 3, 'type', 2, 'fields', 0]],
  ['$.paid["shop.Cash"].number', ['fields', 3, 'type', 1, 'fields', 0]],
  ['$.paid["array"][2].number', ['fields', 3, 'type', 2, 'fields', 0]],
  ['$.paid["shop.Line"].price', ['fields', 1, 'type', 'items', 'fields', 0]],
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
