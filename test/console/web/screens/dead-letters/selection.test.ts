import { expect, test } from 'vitest';
import {
  conditionsOf,
  fixedText,
  isUnbounded,
  parkedKeysPath,
  queryOf,
  type Selected,
  selectionFrom,
  selectionOfGroup,
  without,
} from '../../../../../console/web/screens/dead-letters/selection.ts';

const group = {
  code: 'SCHEMA_MISSING',
  type: null,
  aggregatetype: 'order',
  topic: 'outbox.event.order',
  path: null,
  message: '',
  count: 3,
  firstSeen: '',
  lastSeen: '',
  oldestPosition: '',
};

test('keeps a selection in an address and reads it back', () => {
  const selected: Selected = {
    keys: ['a&b=c#\u0007\n', '東京'],
    paths: ['$.lines[*].price'],
    statuses: ['resubmitted', 'discarded'],
    since: '2026-11-28T16:00:00.000Z',
  };
  expect(selectionFrom(new URLSearchParams(queryOf(selected).toString()))).toEqual(selected);
});

test('selects a group by everything that makes it one, also by what it has not', () => {
  const selected = selectionOfGroup(group, 'open');
  expect(selected).toMatchObject({ codes: ['SCHEMA_MISSING'], types: [''], paths: [''], statuses: ['open'] });
  expect(selectionFrom(new URLSearchParams(queryOf(selected).toString()))).toEqual(selected);
  expect(conditionsOf(selected)).toContainEqual({ name: 'types', label: 'type', text: 'none' });
});

test('takes open ones where nothing, or nonsense, is said', () => {
  expect(selectionFrom(new URLSearchParams('statuses=all&after=x&job=y'))).toEqual({ statuses: ['open'] });
});

test('knows when every one of a status is chosen', () => {
  expect(isUnbounded({ statuses: ['open'] })).toBe(true);
  expect(isUnbounded({ statuses: ['open'], keys: [''] })).toBe(false);
  expect(isUnbounded(without({ statuses: ['open'], keys: ['k'] }, 'keys'))).toBe(true);
});

test('releases the keys of one topic where all are of one', () => {
  expect(parkedKeysPath({ topics: ['a&b'] })).toBe('/parked-keys?topic=a%26b');
  for (const topics of [[''], ['a', 'b'], []]) expect(parkedKeysPath({ topics })).toBe('/parked-keys');
  expect(parkedKeysPath({})).toBe('/parked-keys');
});

test('says of a fixed one what it waits for', () => {
  const texts = (['release', 'resubmit', 'resume', 'release-under-way'] as const).map((waitsFor) =>
    fixedText({ waitsFor }),
  );
  expect(texts[0]).toBe('fixed, waits for release');
  expect(new Set(texts).size).toBe(4);
});
