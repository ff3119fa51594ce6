import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { known, statementOf } from '../../../simulate/postgres/statements.ts';

const root = join(import.meta.dirname, '../../../relay');
const rooms = 'audit|capture|connect|ledger|operations|recover|session|status|transaction|upkeep';
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));
const declared = sources.flatMap(({ text }) => {
  return [...text.matchAll(new RegExp(`[(\\s]'((?:${rooms})\\.[a-z_]+)',`, 'g'))].map(([, name]) => name!);
});

test('everything but the start of the stream goes to Postgres through its one door', () => {
  const past = sources.filter(
    ({ file, text }) => !file.startsWith('connect/postgres/') && /\.query[<(]/.test(text),
  );
  expect(past.map(({ file }) => file)).toEqual(['capture/capture.ts']);
});

test('no two statements of the relay have the same name', () => {
  expect(declared.length).toBeGreaterThan(Object.keys(known).length);
  expect(declared.filter((name, index) => declared.indexOf(name) !== index)).toEqual([]);
});

test('the model has no statement that the relay does not have', () => {
  expect(Object.keys(known).filter((name) => !declared.includes(name))).toEqual([]);
});

test('a statement that the model does not know is an error', () => {
  expect(() => statementOf('ledger.nobody_declared_it')).toThrow('ledger.nobody_declared_it');
});
