/** Who obeys what a person has said. */
import { expect, test } from 'vitest';
import { obeyedText } from '../../../../../console/web/screens/settings/obeyed-text.ts';

test('it says who obeys', () => {
  expect(obeyedText({ outcome: 'obeyed', relays: ['a', 'b'] })).toBe('Done. Obeyed by a, b.');
  expect(obeyedText({ outcome: 'waiting', relays: ['a'] })).toMatch(/not obeyed yet by all of: a/);
  expect(obeyedText({ outcome: 'nobody', relays: [] })).toMatch(/next start/);
});
