import { expect, test } from 'vitest';
import type { Wanted } from '../../../../relay/operations/find-event/found.ts';
import { notesOf } from '../../../../relay/operations/find-event/notes.ts';

const nothing = {
  missing: { rows: null, letters: null, status: null, findings: null, replays: null, removals: null },
  removedBeforeMs: null,
};
const unread = { failure: null, looked: [], unread: [], absent: [] };

test('who looks for a key as if it were an id is told how to look for it by key', () => {
  const by = (wanted: Wanted['by']) =>
    notesOf({ by: wanted, since: null, until: null, topics: null }, nothing, unread).join(' ');
  expect(by({ kind: 'id', id: '42' })).toContain('42 was looked for as the id of an event');
  expect(by({ kind: 'id', id: '42' })).toContain('outbox-relay find --key');
  expect(by({ kind: 'key', key: '42' })).not.toContain('--key');
});
