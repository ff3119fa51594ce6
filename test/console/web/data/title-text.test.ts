/** The title of the page in a tab. */
import { expect, test } from 'vitest';
import { titleOf } from '../../../../console/web/data/title-text.ts';

test('it goes from what is open to the product, and says nothing twice', () => {
  const titles = { slot: 'shop', screen: 'Dead letters', heading: 'PAYLOAD_INVALID', dialog: '' };
  expect(titleOf(titles)).toBe('PAYLOAD_INVALID · Dead letters · shop · Outbox relay');
  expect(titleOf({ ...titles, dialog: 'Discard 2 dead letters', heading: 'Dead letters' })).toBe(
    'Discard 2 dead letters · Dead letters · shop · Outbox relay',
  );
});

test('a key of any length leaves room for the rest', () => {
  const titles = { slot: 'shop', screen: 'Parked keys', heading: 'k'.repeat(100_000), dialog: '' };
  expect(titleOf(titles)).toMatch(/^k{120} · Parked keys · shop/);
});
