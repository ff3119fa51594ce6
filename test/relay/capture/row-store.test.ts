import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ColumnRoles, RowStore, type Rows } from '../../../relay/capture/row-store.ts';
import { codeOf } from '../../support/code-of.ts';
import { insert } from './messages.ts';

const slabBytes = 1024 * 1024;
const maxRowBytes = 8 * slabBytes;
const inOrder: ColumnRoles = ['id', 'payload'];
const turned: ColumnRoles = ['payload', 'id'];

/** Adds a row of about so many bytes. The message is overwritten afterwards, as the driver does. */
function add(store: RowStore, rows: Rows, id: string, bytes = 10, roles = inOrder): void {
  const values = { id, payload: `${id} `.repeat(Math.ceil(bytes / (id.length + 1))) };
  const message = insert(
    1,
    roles.map((role) => values[role as 'id']),
  );
  store.append(rows, message, 6, roles);
  message.fill(0x21);
}

const idsOf = (rows: Rows) =>
  Array.from({ length: rows.length }, (_, index) => {
    const { id, payload } = rows.at(index);
    expect(payload?.startsWith(`${id} `)).toBe(true);
    return id;
  });

test('rows are what they were, however many share a slab, reach into the next one or have one of their own', () => {
  const store = new RowStore(maxRowBytes);
  const rows = store.newRows();
  const sizes = [10, slabBytes / 2, slabBytes / 2, 10, 3 * slabBytes, 10, slabBytes - 1_000];
  for (const [index, bytes] of sizes.entries()) add(store, rows, `row-${index}`, bytes);
  expect(idsOf(rows)).toEqual(sizes.map((_, index) => `row-${index}`));
  expect(codeOf(() => rows.at(sizes.length))).toBe('INTERNAL');
});

test('rows whose columns change from one to the next are each read as they came', () => {
  const store = new RowStore(maxRowBytes);
  const rows = store.newRows();
  for (let index = 0; index < 9; index++)
    add(store, rows, `row-${index}`, 10, index % 3 === 1 ? turned : inOrder);
  expect(idsOf(rows)).toEqual(Array.from({ length: 9 }, (_, index) => `row-${index}`));
});

test('a slab is used again once all rows in it are given up, and not before', () => {
  const store = new RowStore(maxRowBytes);
  const [first, second] = [store.newRows(), store.newRows()];
  add(store, first, 'first', slabBytes / 2);
  add(store, second, 'second', slabBytes / 4);
  const third = store.newRows();
  add(store, third, 'third', slabBytes / 2);
  first.giveUp();
  expect(store.idleBytes).toBe(0);
  expect(idsOf(second)).toEqual(['second']);
  second.giveUp();
  expect(store.idleBytes).toBe(slabBytes);
  second.giveUp();
  expect(store.idleBytes).toBe(slabBytes);
  add(store, third, 'fourth', slabBytes);
  expect(store.idleBytes).toBe(slabBytes);
  const fifth = store.newRows();
  add(store, fifth, 'fifth', 10);
  expect([store.idleBytes, idsOf(fifth), idsOf(third)]).toEqual([0, ['fifth'], ['third', 'fourth']]);
});

test('rows that were given up are not read', () => {
  const store = new RowStore(maxRowBytes);
  const rows = store.newRows();
  add(store, rows, 'gone');
  rows.giveUp();
  expect(codeOf(() => rows.at(0))).toBe('INTERNAL');
});

test('a backlog that is gone leaves at most 8 MiB behind', () => {
  const store = new RowStore(maxRowBytes);
  const backlog = Array.from({ length: 40 }, () => store.newRows());
  for (const [index, rows] of backlog.entries()) add(store, rows, `row-${index}`, slabBytes - 1_000);
  for (const rows of backlog) rows.giveUp();
  expect(store.idleBytes).toBe(8 * slabBytes);
});

test('whatever the sizes, and however far the reader is behind, each row comes out as it went in', () => {
  const one = fc.record({
    sizes: fc.array(fc.integer({ min: 10, max: 700_000 }), { minLength: 0, maxLength: 4 }),
    taken: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 30 }), (transactions) => {
      const store = new RowStore(maxRowBytes);
      const waiting: { rows: Rows; ids: string[] }[] = [];
      for (const [number, { sizes, taken }] of transactions.entries()) {
        const rows = store.newRows();
        const ids = sizes.map((_, index) => `t${number}-${index}`);
        for (const [index, bytes] of sizes.entries())
          add(store, rows, ids[index]!, bytes, bytes % 2 === 0 ? turned : inOrder);
        waiting.push({ rows, ids });
        for (const next of waiting.splice(0, taken)) {
          expect(idsOf(next.rows)).toEqual(next.ids);
          next.rows.giveUp();
        }
      }
      for (const next of waiting) expect(idsOf(next.rows)).toEqual(next.ids);
    }),
    { numRuns: 25 },
  );
});
