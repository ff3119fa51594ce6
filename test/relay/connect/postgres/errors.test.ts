import pg from 'pg';
import { expect, test } from 'vitest';
import { postgresError, sqlStateOf } from '../../../../relay/connect/postgres/errors.ts';
import { type ErrorCode, hints } from '../../../../relay/errors.ts';

function ofServer(code: string, message = 'refused'): pg.DatabaseError {
  const error = new pg.DatabaseError(message, 7, 'error');
  return Object.assign(error, { code, severity: 'ERROR', routine: 'any' });
}

const codeOf = (sqlState: string, own: Record<string, ErrorCode> = {}) =>
  postgresError(ofServer(sqlState), 'trying', { own }).code;

test('an SQLSTATE with a meaning of its own wins over its class, and one that nobody knows is a bug', () => {
  expect(codeOf('55006')).toBe('SLOT_IN_USE');
  expect(codeOf('55P03')).toBe('POSTGRES_UNAVAILABLE');
  expect(codeOf('22012')).toBe('INTERNAL');
});

test('a place can give an SQLSTATE, or a class, another meaning', () => {
  expect(codeOf('55000', { '55000': 'SLOT_INVALIDATED' })).toBe('SLOT_INVALIDATED');
  expect(codeOf('55006', { '55000': 'SLOT_INVALIDATED' })).toBe('SLOT_IN_USE');
  expect(codeOf('22012', { '22': 'ROW_UNREADABLE' })).toBe('ROW_UNREADABLE');
});

test('what a migration makes and is missing is said with what to run; a column that is mapped wrongly is not', () => {
  const hintOf = (code: string, message: string) => postgresError(ofServer(code, message), 'trying').hint;
  for (const [code, message] of [
    ['42P01', 'relation "outbox.control" does not exist'],
    ['3F000', 'schema "outbox" does not exist'],
    ['42883', 'function outbox.pause(text) does not exist'],
  ] as const)
    expect(hintOf(code, message)).toMatch(/^This database does not have .*Run `outbox-relay migrate`/);
  expect(hintOf('42703', 'column "kind" of relation "outbox.event" does not exist')).toBe(
    hints.OUTBOX_TABLE_INVALID,
  );
  expect(hintOf('42P01', 'relation "shop.events" does not exist')).toBe(hints.OUTBOX_TABLE_INVALID);
});

test('the SQLSTATE of an error is that of what caused it', () => {
  expect(sqlStateOf(postgresError(ofServer('22012'), 'trying'))).toBe('22012');
  expect(sqlStateOf(Object.assign(new Error('broken pipe'), { code: 'EPIPE' }))).toBeUndefined();
});
