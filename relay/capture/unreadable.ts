/** Rows that Postgres cannot give as text: how that shows, and how it is told. Pure. */
import type { Unreadable } from './transaction.ts';

/** By the SQLSTATE of a statement, or a stream, that reads such a row. */
const reasons: Readonly<Record<string, string>> = {
  // character_not_in_repertoire
  '22021': 'bytes that are not text',
  // untranslatable_character
  '22P05': 'characters that UTF-8 does not have',
  // program_limit_exceeded
  '54000': 'more than 1 GB of text',
};

export function isUnreadable(sqlState: unknown): boolean {
  return typeof sqlState === 'string' && sqlState in reasons;
}

/** Without the server's own words, which quote bytes of it. */
export function describeUnreadable({ bytes, sqlState, table, place }: Omit<Unreadable, 'message'>): string {
  const columns = Object.keys(bytes).join(', ');
  return `row ${place} of ${table} cannot be read: ${columns}: ${reasons[sqlState] ?? 'not text'} (SQLSTATE ${sqlState})`;
}
