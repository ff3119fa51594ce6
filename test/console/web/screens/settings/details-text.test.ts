import { expect, test } from 'vitest';
import { detailsText } from '../../../../../console/web/screens/settings/details-text.ts';

test.each([
  ['{}', ''],
  ['{"mode": "hold", "endsAt": null}', 'mode: hold, endsAt: null'],
  [
    '{"eventsPerSecond": 9007199254740993, "note": "a, \\"b\\""}',
    'eventsPerSecond: 9007199254740993, note: a, "b"',
  ],
  ['{"range": {"from": 1, "to": [2, 3]}, "isForced": true}', 'range: {"from":1,"to":[2,3]}, isForced: true'],
  ['[1, 2]', '[1, 2]'],
  ['not JSON', 'not JSON'],
])('%s is shown as %s', (text, shown) => {
  expect(detailsText(text)).toBe(shown);
});
