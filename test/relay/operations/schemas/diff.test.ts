import { expect, test } from 'vitest';
import { diffSchemas } from '../../../../relay/operations/schemas/diff.ts';
import { readModel } from '../../../../relay/operations/schemas/model.ts';

const record = (fields: object[], more: object = {}) => ({ type: 'record', name: 'n.R', fields, ...more });
const diff = (before: unknown, after: unknown) =>
  diffSchemas(readModel(JSON.stringify(before)), readModel(JSON.stringify(after)));

test('a schema does not differ from itself, even one that holds itself', () => {
  const list = record([{ name: 'next', type: ['null', 'n.R'], default: null }]);
  expect(diff(list, list)).toEqual([]);
});

test('every kind of difference is told at its place', () => {
  const line = (fields: object[]) => ({ type: 'array', items: { type: 'record', name: 'Line', fields } });
  const before = record([
    { name: 'gone', type: 'int', default: 1 },
    { name: 'kept', type: 'int', doc: 'old' },
    { name: 'state', type: { type: 'enum', name: 'S', symbols: ['A'] } },
    { name: 'lines', type: line([{ name: 'price', type: 'long' }]) },
  ]);
  const after = record(
    [
      { name: 'state', type: { type: 'enum', name: 'S', symbols: ['A', 'B'], default: 'A' } },
      { name: 'kept', type: 'int', default: 0, aliases: ['was'] },
      {
        name: 'lines',
        type: line([{ name: 'price', type: { type: 'long', logicalType: 'timestamp-millis' } }]),
      },
      { name: 'fresh', type: ['null', 'string'], default: null },
    ],
    { doc: 'R' },
  );
  expect(diff(before, after)).toEqual([
    { path: '$', kind: 'doc', before: null, after: 'R' },
    { path: '$.state', kind: 'symbols', before: 'A', after: 'A, B' },
    { path: '$.state', kind: 'default', before: null, after: 'A' },
    { path: '$.kept', kind: 'default', before: null, after: '0' },
    { path: '$.kept', kind: 'doc', before: 'old', after: null },
    { path: '$.kept', kind: 'aliases', before: null, after: 'was' },
    { path: '$.lines[].price', kind: 'type', before: 'long', after: 'timestamp-millis' },
    { path: '$.fresh', kind: 'added', before: null, after: 'null or string = null' },
    { path: '$.gone', kind: 'removed', before: 'int = 1', after: null },
    { path: '$', kind: 'order', before: 'kept, state, lines', after: 'state, kept, lines' },
  ]);
});

test('a default keeps every digit', () => {
  const withDefault = (digits: string) =>
    `{"type":"record","name":"R","fields":[{"name":"x","type":"long","default":${digits}}]}`;
  expect(
    diffSchemas(readModel(withDefault('9007199254740992')), readModel(withDefault('9007199254740993'))),
  ).toEqual([{ path: '$.x', kind: 'default', before: '9007199254740992', after: '9007199254740993' }]);
});
