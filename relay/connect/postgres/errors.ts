/** Owns what an error of Postgres, or of its driver, means to the relay: the one map from SQLSTATE to code. */
import type pg from 'pg';
import { type ErrorCode, RelayError } from '../../errors.ts';
import { plainMessage, tlsRefusal } from '../tls.ts';

/**
 * SQLSTATEs with a meaning of their own; the rest of a class is found by its first two characters.
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const codeOfSqlState: Readonly<Record<string, ErrorCode>> = {
  '28000': 'POSTGRES_UNAUTHORIZED',
  '28P01': 'POSTGRES_UNAUTHORIZED',
  '42501': 'POSTGRES_UNAUTHORIZED',
  '3D000': 'POSTGRES_UNSUITABLE',
  '55006': 'SLOT_IN_USE',
  '42P01': 'OUTBOX_TABLE_INVALID',
  '42703': 'OUTBOX_TABLE_INVALID',
  '3F000': 'OUTBOX_TABLE_INVALID',
  '42883': 'OUTBOX_TABLE_INVALID',
};

/** Connection lost, resources short, lock or statement timeout, shutdown, system error, serialisation: all pass. */
const passingClasses: ReadonlySet<string> = new Set(['08', '25', '40', '53', '55', '57', '58', 'XX']);

/** A driver's error as a `RelayError`. What has no SQLSTATE came from the socket, so the server is unavailable. */
export function postgresError(error: unknown, doing: string): RelayError {
  if (error instanceof RelayError) return error;
  const { code, message } = describe(error);
  if (isTlsRefusal(error))
    return new RelayError('TLS_REFUSED', `${doing}: ${plainMessage(message)}`, { cause: error });
  const ended = code !== undefined && endOfSession.test(code) ? ` (SQLSTATE ${code})` : '';
  const said = `${message}${ended}${isFromPooler(error, code) ? behindPooler : ''}`;
  return new RelayError(meaningOf(error, code), `${doing}: ${said}`, {
    cause: error,
    context: { sqlState: code },
  });
}

function meaningOf(error: unknown, code: string | undefined): ErrorCode {
  if (code === undefined) return 'POSTGRES_UNAVAILABLE';
  const { routine, message } = error as pg.DatabaseError;
  if (isFromPooler(error, code)) return 'POSTGRES_UNSUITABLE';
  if (code === '42501' && routine === 'check_enable_rls') return 'POSTGRES_ROWS_HIDDEN';
  // Before 14, where a setting of every session is not known; the name of a setting is not translated.
  if (code === '42704' && message.includes('idle_session_timeout')) return 'POSTGRES_UNSUITABLE';
  const ofClass = code.slice(0, 2);
  if (ofClass === '54') return 'POSTGRES_LIMIT_EXCEEDED';
  return codeOfSqlState[code] ?? (passingClasses.has(ofClass) ? 'POSTGRES_UNAVAILABLE' : 'INTERNAL');
}

const behindPooler =
  '; a connection pooler answers at this address, and the relay needs Postgres itself: give its own address';

/**
 * PgBouncer refuses what it does not know of a connection, such as `replication`, and whatever it cannot do for one, as a
 * violation of the protocol. Postgres names the routine of each error of its own, which tells the two apart.
 */
function isFromPooler(error: unknown, code: string | undefined): boolean {
  return code === '08P01' && (error as pg.DatabaseError).routine === undefined;
}

/** The server ended the session: by a command, a crash, a shutdown, or a time limit. */
const endOfSession = /^(57P|25P03|25P04)/;

/** The driver's own words have no code: the server, or this host of it, does not do TLS. */
function isTlsRefusal(error: unknown): boolean {
  if (tlsRefusal(error) !== undefined) return true;
  return error instanceof Error && error.message === 'The server does not support SSL connections';
}

const sqlStatePattern = /^[0-9A-Z]{5}$/;

function describe(error: unknown): { code: string | undefined; message: string } {
  if (!(error instanceof Error)) return { code: undefined, message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  // Node's errors carry codes such as ECONNREFUSED, and an AggregateError of several addresses has no message.
  const isSqlState = code !== undefined && sqlStatePattern.test(code) && 'severity' in error;
  return { code: isSqlState ? code : undefined, message: error.message || code || error.name };
}
