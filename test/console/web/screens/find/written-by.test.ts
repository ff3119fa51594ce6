/** What the page says of who wrote a record. */
import { expect, test } from 'vitest';
import { writtenBy } from '../../../../../console/web/screens/find/written-by.ts';

test.each([
  [{ isOfRelay: true, replayId: null }, ''],
  [{ isOfRelay: true, replayId: 'r1' }, ', by replay r1'],
  [{ isOfRelay: false, replayId: null }, ', by another producer'],
  [{ isOfRelay: false, replayId: 'r1' }, ', by another producer'],
])('of %j it says %j, as the command does', (record, text) => {
  expect(writtenBy(record)).toBe(text);
});
