import { expect, test } from 'vitest';
import type { Wanted } from '../../../../relay/operations/find-event/found.ts';
import { notesOf } from '../../../../relay/operations/find-event/notes.ts';

const nothing = {
  missing: { rows: null, letters: null, status: null, findings: null, replays: null, removals: null },
  removedBeforeMs: null,
};
const unread = { failure: null, looked: [], unread: [], absent: [] };

test('who looks for a full name of a type is told that rows may have the simple one', () => {
  const of = (type: string) =>
    notesOf({ by: { kind: 'type', type }, since: null, until: null, topics: null }, nothing, unread).join(
      ' ',
    );
  expect(of('app.order.OrderPlaced')).toContain(
    'If the application writes simple names, which schemas.namespace completes, look for OrderPlaced.',
  );
  expect(of('OrderPlaced')).not.toContain('simple names');
});

test('who looks for a key as if it were an id is told how to look for it by key', () => {
  const by = (wanted: Wanted['by']) =>
    notesOf({ by: wanted, since: null, until: null, topics: null }, nothing, unread).join(' ');
  expect(by({ kind: 'id', id: '42' })).toContain('42 was looked for as the id of an event');
  expect(by({ kind: 'id', id: '42' })).toContain('outbox-relay find --key');
  expect(by({ kind: 'key', key: '42' })).not.toContain('--key');
});
