/** How the console names what an audit found. */
import { expect, test } from 'vitest';
import { found, kindOf, unjudged } from '../../../../../console/web/screens/audit/words.ts';

test('each kind of an audit has its name, as the report and as Postgres writes it', () => {
  expect(kindOf(found, 'out_of_order').name).toBe('Out of order');
  expect(kindOf(found, 'outOfOrder').name).toBe('Out of order');
  expect(kindOf(unjudged, 'withoutId').name).toBe('Rows without an id');
  expect(kindOf(unjudged, 'of a later release')).toEqual({ name: 'of a later release', means: '' });
});
