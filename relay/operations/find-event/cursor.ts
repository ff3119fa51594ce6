/** Where a page of events begins, as text that people and pages pass on unread. Pure. */
import { parsePosition } from '../../model/position.ts';
import type { Cursor } from './found.ts';

export const cursorText = (cursor: Cursor): string =>
  Buffer.from(
    JSON.stringify(
      cursor.part === 'rows' ? ['rows', cursor.createdAt, cursor.id] : ['letters', cursor.position],
    ),
  ).toString('base64url');

/** As Postgres prints a time in UTC, with all its digits. */
const time = /^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?$/;

/** @returns undefined for what is none */
export function parseCursor(text: string): Cursor | undefined {
  let given: unknown;
  try {
    given = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return undefined;
  }
  if (!Array.isArray(given)) return undefined;
  const [part, first, id] = given as readonly unknown[];
  if (part === 'rows' && (first === null || (typeof first === 'string' && time.test(first))))
    return typeof id === 'string' && !id.includes('\0') ? { part, createdAt: first, id } : undefined;
  if (part !== 'letters') return undefined;
  if (first === null) return { part, position: null };
  return typeof first === 'string' && parsePosition(first) !== undefined
    ? { part, position: first }
    : undefined;
}
