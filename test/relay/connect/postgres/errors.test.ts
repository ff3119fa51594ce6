import pg from 'pg';
import { expect, test } from 'vitest';
import { postgresError, sqlStateOf } from '../../../../relay/connect/postgres/errors.ts';
import type { ErrorCode } from '../../../../relay/errors.ts';

function ofServer(code: string): pg.DatabaseError {
  const error = new pg.DatabaseError('refused', 7, 'error');
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

test('the SQLSTATE of an error is that of what caused it', () => {
  expect(sqlStateOf(postgresError(ofServer('22012'), 'trying'))).toBe('22012');
  expect(sqlStateOf(Object.assign(new Error('broken pipe'), { code: 'EPIPE' }))).toBeUndefined();
});
