import { createHash, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IdTable } from '../../../relay/recover/id-table.ts';

test('remembers the first number of each id, or the one that was set, like a map', () => {
  const id = fc.oneof(fc.uuid(), fc.string(), fc.constantFrom('a', 'b', ''));
  const entry = fc.tuple(id, fc.nat(2 ** 32 - 1), fc.boolean());
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 300 }), fc.array(id), (entries, others) => {
      const table = new IdTable();
      const map = new Map<string, number>();
      for (const [id, number, isSet] of entries) {
        if (isSet) table.set(id, number);
        else expect(table.add(id, number)).toBe(map.get(id) ?? number);
        if (isSet || !map.has(id)) map.set(id, number);
      }
      expect(table.size).toBe(map.size);
      for (const id of [...map.keys(), ...others]) expect(table.find(id)).toBe(map.get(id));
    }),
  );
});

test('grows, and tells apart UUIDs that differ in one place', () => {
  const table = new IdTable();
  const ids = Array.from({ length: 20_000 }, () => randomUUID());
  for (const [index, id] of ids.entries()) table.add(id, index);
  expect(table.size).toBe(ids.length);
  for (const [index, id] of ids.entries()) expect(table.find(id)).toBe(index);
  const [first = ''] = ids;
  for (let at = 0; at < first.length; at++) {
    const other = first.slice(0, at) + (first[at] === '0' ? '1' : '0') + first.slice(at + 1);
    expect(table.find(other)).toBeUndefined();
  }
  expect(table.has(first.toUpperCase())).toBe(false);
});

test('a UUID that equals the digest of another id is another id', () => {
  const digest = createHash('sha256').update('order 1').digest();
  // However the digest is read as numbers.
  const uuids = [digest, Buffer.from(digest.subarray(0, 16)).swap32()].map((bytes) =>
    bytes.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
  );
  const table = new IdTable();
  table.add('order 1', 1);
  expect(uuids.map((uuid) => table.find(uuid))).toEqual([undefined, undefined]);
});
