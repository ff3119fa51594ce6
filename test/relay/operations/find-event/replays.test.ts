import { expect, test } from 'vitest';
import type { EventParts } from '../../../../relay/operations/find-event/parts.ts';
import { mayCover } from '../../../../relay/operations/find-event/replays.ts';

const row = {
  id: 'a',
  aggregatetype: 'item',
  key: 'k',
  type: 'T',
  createdAt: '2026-01-01T10:00:00.000Z',
  table: 'outbox.event',
  xid: '1',
  committedAt: '2026-01-01T10:00:01.000Z',
  payloadBytes: 2,
  contents: null,
  topic: 't',
  progress: 'covered',
  fromMs: 0,
} as const;
const event: EventParts = { id: 'a', rows: [row], letters: [], records: [], looked: [] };

const covers = (range: object, more: Partial<Parameters<typeof mayCover>[0]> = {}, parts = event) =>
  mayCover(
    { range, facts: { order: 'commit' }, isFirst: false, startedAt: '2026-01-02T00:00:00Z', ...more },
    parts,
  );

test('a replay may have published what lies in its range', () => {
  for (const range of [
    {},
    { ids: ['b', 'a'] },
    { keys: ['k'], types: ['T'], aggregatetypes: ['item'] },
    { from: '2026-01-01T10:00:01.000Z', until: '2026-01-01T10:00:02Z' },
  ])
    expect(covers(range), JSON.stringify(range)).toBe(true);
});

test('and nothing that lies outside', () => {
  for (const range of [
    { ids: ['b'] },
    { keys: ['other'] },
    { types: ['Other'] },
    { aggregatetypes: ['other'] },
    { from: '2026-01-01T10:00:02Z' },
    { until: '2026-01-01T10:00:00Z' },
  ])
    expect(covers(range), JSON.stringify(range)).toBe(false);
  expect(covers({ from: '2026-01-01T10:00:01Z' }, { facts: { order: 'writing' } })).toBe(false);
  expect(covers({}, { startedAt: '2026-01-01T09:00:00Z' })).toBe(false);
  expect(covers({}, { isFirst: true })).toBe(false);
});

test('what is not known of the event excludes nothing', () => {
  const unknown = { ...event, rows: [] };
  for (const range of [{ keys: ['other'] }, { from: '2027-01-01T00:00:00Z' }, { isOfDeadLetters: true }])
    expect(covers(range, {}, unknown), JSON.stringify(range)).toBe(true);
  expect(covers({}, { isFirst: true }, unknown)).toBe(true);
});
