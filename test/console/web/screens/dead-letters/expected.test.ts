import { expect, test } from 'vitest';
import { expectedLines } from '../../../../../console/web/screens/dead-letters/expected.ts';

const letter = {
  there: { state: 'value', text: '"twelve"', isCut: false },
  waitsFor: 'repair',
  isOfParkedKey: false,
} as const;

test('one cause has a line for when the last one came, and one for the values', () => {
  const lines = expectedLines([letter, letter]);
  expect(lines).toHaveLength(2);
  // As far as the values reach.
  const longer = expectedLines([letter, { ...letter, there: { ...letter.there, text: 'x'.repeat(200) } }]);
  expect(longer[1]!.length - lines[1]!.length).toBeGreaterThanOrEqual(80);
  expect(longer[1]!.length - lines[1]!.length).toBeLessThan(120);
});

test('parked keys, and what was fixed, have lines of their own', () => {
  const parked = { ...letter, isOfParkedKey: true };
  expect(expectedLines([letter, parked])).toHaveLength(4);
  const fixed = { ...parked, waitsFor: 'release' } as const;
  expect(expectedLines([fixed, { ...letter, waitsFor: 'resubmit' }])).toHaveLength(6);
});

test('no line has a word that could be read as what is known', () => {
  for (const line of expectedLines([{ ...letter, isOfParkedKey: true }])) expect(line).toMatch(/^[n ]+$/);
});
