import { expect, test } from 'vitest';
import { type RecordNode, readModel } from '../../../../relay/operations/schemas/model.ts';

const read = (schema: unknown, ...references: unknown[]) =>
  readModel(
    JSON.stringify(schema),
    references.map((each) => JSON.stringify(each)),
  );
const typesOf = (schema: unknown, ...references: unknown[]) =>
  (read(schema, ...references) as RecordNode).fields.map(({ type }) => type);

test('names are resolved by the namespace around them', () => {
  const money = { type: 'fixed', name: 'Money', size: 8 };
  const node = read({
    type: 'record',
    name: 'a.b.Order',
    aliases: ['Old', 'c.Older'],
    fields: [
      { name: 'one', type: money },
      { name: 'same', type: 'Money' },
      { name: 'other', type: { ...money, namespace: 'c' } },
      { name: 'none', type: { ...money, name: 'Bare', namespace: '' } },
      { name: 'self', type: ['null', { type: 'Order' }] },
    ],
  }) as RecordNode;
  expect(node).toMatchObject({ name: 'a.b.Order', aliases: ['a.b.Old', 'c.Older'] });
  const [one, same, other, none, self] = node.fields.map(({ type }) => type);
  expect(one).toMatchObject({ kind: 'fixed', name: 'a.b.Money' });
  expect(same).toBe(one);
  expect([other, none]).toMatchObject([{ name: 'c.Money' }, { name: 'Bare' }]);
  expect(self).toMatchObject({ kind: 'union', branches: [{ kind: 'null' }, node] });
});

test('a schema of another subject is found by its name', () => {
  const money = { type: 'record', name: 'shop.Money', fields: [{ name: 'cents', type: 'long' }] };
  const order = { type: 'record', name: 'shop.Order', fields: [{ name: 'total', type: 'Money' }] };
  expect(typesOf(order, money)).toMatchObject([{ kind: 'record', name: 'shop.Money' }]);
});

test('a logical type counts only on what it belongs to', () => {
  const types = [
    { type: 'int', logicalType: 'date' },
    { type: 'string', logicalType: 'date' },
    { type: 'bytes', logicalType: 'decimal', precision: 5 },
    { type: 'bytes', logicalType: 'decimal', precision: 2, scale: 3 },
    { type: 'fixed', name: 'U', size: 16, logicalType: 'uuid' },
    { type: 'fixed', name: 'V', size: 15, logicalType: 'uuid' },
    { type: 'long', logicalType: 'constructor' },
  ];
  const fields = types.map((type, index) => ({ name: `f${index}`, type }));
  const logical = typesOf({ type: 'record', name: 'R', fields }).map((node) =>
    'logical' in node ? node.logical : 'none',
  );
  expect(logical).toEqual([
    { name: 'date' },
    undefined,
    { name: 'decimal', precision: 5, scale: 0 },
    undefined,
    { name: 'uuid' },
    undefined,
    undefined,
  ]);
});

test('a default of null is one, and none is none', () => {
  const fields = [
    { name: 'a', type: ['null', 'int'], default: null },
    { name: 'b', type: 'int' },
  ];
  const node = read({ type: 'record', name: 'R', fields }) as RecordNode;
  expect(node.fields.map(({ fallback }) => fallback)).toEqual([null, undefined]);
});

test('what is no Avro is refused', () => {
  expect(() => read({ type: 'record', name: 'R' })).toThrow(
    expect.objectContaining({ code: 'SCHEMA_INVALID' }),
  );
});
