/** Who follows what a person has said. */
import { expect, test } from 'vitest';
import { obeyedText } from '../../../../../console/web/screens/settings/obeyed-text.ts';

test('it says who follows it', () => {
  expect(obeyedText({ outcome: 'obeyed', relays: ['a', 'b'] })).toBe('Done. a, b follow it.');
  expect(obeyedText({ outcome: 'waiting', relays: ['a'] })).toMatch(/Not every relay follows it yet: a/);
  expect(obeyedText({ outcome: 'nobody', relays: [] })).toMatch(/the next one to start follows it/);
});
