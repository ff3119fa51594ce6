import { expect, test } from 'vitest';
import type { PayloadView } from '../../../../console/server/access/visitor.ts';
import { foundShown } from '../../../../console/server/api/find.ts';
import type { Found } from '../../../../relay/operations/find-event/found.ts';
import { allRead } from '../../../relay/operations/find-event/all-read.ts';

const row = {
  id: 'a',
  aggregatetype: 'item',
  key: 'k',
  type: 'T',
  createdAt: null,
  table: 'outbox.event',
  xid: '1',
  committedAt: null,
  payloadBytes: 2,
  contents: { payload: '{"iban":"DE-secret"}', headers: '{"trace":"secret"}', isLeftOut: false },
  topic: 't',
  progress: null,
  fromMs: null,
} as const;
const found: Found = {
  at: '2026-01-01T00:00:00.000Z',
  events: [
    {
      id: 'a',
      state: 'published',
      text: '',
      advice: null,
      reasons: [],
      rows: [row],
      letters: [],
      records: [],
      findings: [],
      replays: [],
      story: [],
    },
  ],
  hasMore: true,
  next: { part: 'rows', createdAt: null, id: 'a' },
  notes: [],
  looked: [],
  unread: [{ topic: 'u', partition: null }],
  absent: [],
  missing: allRead,
  relay: null,
};
const shownTo = (view: PayloadView) => foundShown(view, found);

test('a visitor sees payload and headers of a row as far as payloads are shown to the visitor', () => {
  expect(shownTo('full').events[0]!.rows[0]!.contents).toEqual(row.contents);
  expect(shownTo('off').events[0]!.rows[0]!.contents).toBeNull();
  const masked = shownTo('masked');
  expect(JSON.parse(masked.events[0]!.rows[0]!.contents!.payload!)).toEqual({ iban: 'string(9)' });
  for (const view of ['masked', 'off'] as const)
    expect(JSON.stringify(shownTo(view))).not.toContain('secret');
});

test('the next page is text, and what was not read is a sentence', () => {
  expect(shownTo('full')).toMatchObject({
    next: expect.stringMatching(/^[\w-]+$/),
    unreadText: 'This was not read at all, and may have it: u. Look there by topic.',
    payloadView: 'full',
  });
});
