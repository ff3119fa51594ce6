import { expect, test } from 'vitest';
import { localTime } from '../../../../../console/web/data/format.ts';
import { detailsText, limitText } from '../../../../../console/web/screens/settings/details-text.ts';

test.each([
  ['{}', ''],
  ['{"mode": "hold", "endsAt": null}', 'mode: hold, endsAt: none'],
  [
    '{"mode": "hold", "endsAt": "2026-11-29T02:50:34.954085+00:00"}',
    `mode: hold, endsAt: ${localTime('2026-11-29T02:50:34.954Z')}`,
  ],
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

test.each([
  ['{"bytesPerSecond": null, "eventsPerSecond": 500}', '500 events/s, bytes as the settings say'],
  [
    '{"bytesPerSecond": 9007199254740993, "eventsPerSecond": 0}',
    'no limit of events, 9007199254740993 bytes/s',
  ],
  ['{"mode": "hold", "endsAt": null}', undefined],
])('the limits %s are shown as %s', (text, shown) => {
  expect(limitText(text)).toBe(shown);
});
