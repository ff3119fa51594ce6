import { expect, test } from 'vitest';
import { cursorText, parseCursor } from '../../../../relay/operations/find-event/cursor.ts';
import type { Cursor } from '../../../../relay/operations/find-event/found.ts';

test.each<Cursor>([
  { part: 'rows', createdAt: '2026-01-31T12:00:00.123456', id: '9007199254740993' },
  { part: 'rows', createdAt: null, id: 'ü"\n' },
  { part: 'letters', position: '0000000000000010.00000001' },
  { part: 'letters', position: null },
])('a cursor comes back as it was: %j', (cursor) => {
  const text = cursorText(cursor);
  expect(text).toMatch(/^[\w-]+$/);
  expect(parseCursor(text)).toEqual(cursor);
});

test.each([
  '',
  'nonsense',
  Buffer.from('{}').toString('base64url'),
  Buffer.from('["rows","now()","x"]').toString('base64url'),
  Buffer.from('["rows",null]').toString('base64url'),
  Buffer.from('["rows",null,"a\\u0000"]').toString('base64url'),
  Buffer.from('["letters","1"]').toString('base64url'),
])('anything else is none: %s', (text) => {
  expect(parseCursor(text)).toBeUndefined();
});
