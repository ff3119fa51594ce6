/** The list of broken relays does not rot: each still fits the code it breaks. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { mutants } from '../mutants/mutants.ts';

const read = (file: string) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');

it.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s: can still be broken', (_, mutant) => {
  expect(read(mutant.file).split(mutant.find)).toHaveLength(2);
  if (typeof mutant.tests === 'string') return;
  for (const test of mutant.tests) expect(existsSync(new URL(`../${test}`, import.meta.url))).toBe(true);
});

it('has one name for each, by which the table keeps its row', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
});
