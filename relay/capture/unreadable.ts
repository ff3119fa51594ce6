/** Rows that Postgres cannot return as text: how that shows, and how the relay reports it. Pure. */
import type { ErrorCode } from '../errors.ts';
import type { Unreadable } from './transaction.ts';

/** By the SQLSTATE of a statement, or a stream, that reads such a row. */
const reasons: Readonly<Record<string, string>> = {
  // character_not_in_repertoire
  '22021': 'bytes that are not text',
  // untranslatable_character
  '22P05': 'characters that UTF-8 lacks',
  // program_limit_exceeded
  '54000': 'more than 1 GB of text',
};

/** What they mean when the relay reads a row of the outbox table. */
export const unreadableStates: Readonly<Record<string, ErrorCode>> = Object.fromEntries(
  Object.keys(reasons).map((sqlState) => [sqlState, 'ROW_UNREADABLE']),
);

export function isUnreadable(sqlState: string | undefined): sqlState is string {
  return sqlState !== undefined && sqlState in reasons;
}

/** Without the message of the server, which quotes bytes of the row. */
export function describeUnreadable({ bytes, sqlState, table, place }: Omit<Unreadable, 'message'>): string {
  const columns = Object.keys(bytes).join(', ');
  return `row ${place} of ${table} cannot be read: ${columns}: ${reasons[sqlState] ?? 'not text'} (SQLSTATE ${sqlState})`;
}
