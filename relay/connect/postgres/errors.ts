/** Owns what an error of Postgres, or of its driver, means to the relay: the one map from SQLSTATE to code. */
import type pg from 'pg';
import { type ErrorCode, messageOf, RelayError } from '../../errors.ts';
import { plainMessage, tlsRefusal } from '../tls.ts';
import { type Host, hostName } from './address.ts';

/**
 * By SQLSTATE, or by the first two characters, which are its class; the SQLSTATE wins. What is not here is a bug.
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export type Meanings = Readonly<Record<string, ErrorCode>>;

const meanings: Meanings = {
  // Connection lost, resources short, lock or statement timeout, shutdown, system error, serialisation: all pass.
  '08': 'POSTGRES_UNAVAILABLE',
  '25': 'POSTGRES_UNAVAILABLE',
  '40': 'POSTGRES_UNAVAILABLE',
  '53': 'POSTGRES_UNAVAILABLE',
  '55': 'POSTGRES_UNAVAILABLE',
  '57': 'POSTGRES_UNAVAILABLE',
  '58': 'POSTGRES_UNAVAILABLE',
  XX: 'POSTGRES_UNAVAILABLE',
  '25006': 'POSTGRES_READ_ONLY', // read_only_sql_transaction
  '54': 'POSTGRES_LIMIT_EXCEEDED',
  '28000': 'POSTGRES_UNAUTHORIZED', // invalid_authorization_specification
  '28P01': 'POSTGRES_UNAUTHORIZED', // invalid_password
  '42501': 'POSTGRES_UNAUTHORIZED', // insufficient_privilege
  '3D000': 'DATABASE_MISSING', // invalid_catalog_name: no such database
  '55006': 'SLOT_IN_USE', // object_in_use
  '42P01': 'OUTBOX_TABLE_INVALID', // undefined_table
  '42703': 'OUTBOX_TABLE_INVALID', // undefined_column
  '3F000': 'OUTBOX_TABLE_INVALID', // invalid_schema_name
  '42883': 'OUTBOX_TABLE_INVALID', // undefined_function
};

/** SQLSTATEs that some place handles itself. */
export const sqlStates = {
  uniqueViolation: '23505',
  duplicateSchema: '42P06',
  duplicateTable: '42P07',
  duplicateObject: '42710',
  duplicateFunction: '42723',
  undefinedTable: '42P01',
  undefinedColumn: '42703',
  invalidSchemaName: '3F000',
  insufficientPrivilege: '42501',
  queryCanceled: '57014',
  lockNotAvailable: '55P03',
  programLimitExceeded: '54000',
  untranslatableCharacter: '22P05',
} as const;

/**
 * Turns a driver's error into a `RelayError`. An error without SQLSTATE came from the socket: the server is unavailable.
 * @param doing what failed, as in `reading the slot`
 * @param options.own where an SQLSTATE means something else than in any other statement
 */
export function postgresError(
  error: unknown,
  doing: string,
  { own = {}, statement }: { readonly own?: Meanings; readonly statement?: string } = {},
): RelayError {
  if (error instanceof RelayError) return error;
  const message = messageOf(error);
  // The pool ends a connection that takes too long, and wraps what the connection says of that.
  if (error instanceof Error && error.cause instanceof RelayError) {
    const { code, message: said, context } = error.cause;
    return new RelayError(code, `${said} (${message})`, { cause: error, context });
  }
  if (isTlsRefusal(error))
    return new RelayError('TLS_REFUSED', `${doing}: ${plainMessage(message)}`, { cause: error });
  const sqlState = sqlStateOf(error);
  const ended = sqlState !== undefined && endOfSession.test(sqlState) ? ` (SQLSTATE ${sqlState})` : '';
  const said = `${message}${ended}${isFromPooler(error) ? behindPooler : ''}`;
  const code = meaningOf(error, sqlState, own);
  return new RelayError(code, `${doing}: ${said}`, {
    cause: error,
    context: { sqlState, ...(statement !== undefined && { statement }) },
    ...(code === 'OUTBOX_TABLE_INVALID' && isOfOurs(sqlState, message) ? { hint: notMigrated } : {}),
  });
}

/**
 * Of a connection that could not be opened. It says where that was to lead, which is what a person has to correct or to look
 * at, and not what the connection was for. Never with the password.
 */
export function connectionError(
  error: unknown,
  { database, ...host }: Host & { readonly database: string | undefined },
): RelayError {
  const named = database === undefined ? '' : `, database ${database}`;
  return postgresError(error, `connecting to Postgres at ${hostName(host)}${named}`);
}

function meaningOf(error: unknown, sqlState: string | undefined, own: Meanings): ErrorCode {
  if (sqlState === undefined) return 'POSTGRES_UNAVAILABLE';
  const { routine, message } = error as pg.DatabaseError;
  if (isFromPooler(error)) return 'POSTGRES_UNSUITABLE';
  if (sqlState === sqlStates.insufficientPrivilege && routine === 'check_enable_rls')
    return 'POSTGRES_ROWS_HIDDEN';
  // A server before 14 lacks a setting of every session. The name of a setting is not translated.
  if (sqlState === '42704' && message.includes('idle_session_timeout')) return 'POSTGRES_UNSUITABLE';
  const ofClass = sqlState.slice(0, 2);
  return own[sqlState] ?? own[ofClass] ?? meanings[sqlState] ?? meanings[ofClass] ?? 'INTERNAL';
}

/** Of the server's error, or of a `RelayError` that it became; undefined for everything else. */
export function sqlStateOf(error: unknown): string | undefined {
  const cause = error instanceof RelayError ? error.cause : error;
  // Node's errors carry codes too, such as EPIPE, which has five letters; only the server's have a severity.
  if (!(cause instanceof Error) || !('severity' in cause)) return undefined;
  const { code } = cause as pg.DatabaseError;
  return code !== undefined && sqlStatePattern.test(code) ? code : undefined;
}

const sqlStatePattern = /^[0-9A-Z]{5}$/;

const behindPooler =
  '; PgBouncer, or a pooler like it, answers at this address, but the relay needs a direct connection: use the address of Postgres itself';

/** Whether a table or function is missing that a migration makes. The names in a message are not translated. */
const isOfOurs = (sqlState: string | undefined, message: string): boolean =>
  sqlState !== sqlStates.undefinedColumn && /\boutbox\b/.test(message);

const notMigrated =
  'This database does not have what the migrations of this release make. Run `outbox-relay migrate`; or, if the outbox is in another database, correct DATABASE_URL. A table of your own is the one that outbox.table names.';

/** Of a session that does not have the settings it was opened with. */
export function settingsLost(): RelayError {
  const said = 'the settings of the session, sent as options of the connection, did not reach Postgres';
  return new RelayError('POSTGRES_UNSUITABLE', `connecting to Postgres: ${said}${behindPooler}`);
}

/**
 * PgBouncer refuses parameters of a connection that it does not know, such as `replication`, and requests that it cannot
 * serve, as a violation of the protocol. The errors of Postgres name a routine; those of PgBouncer do not.
 */
function isFromPooler(error: unknown): boolean {
  return sqlStateOf(error) === '08P01' && (error as pg.DatabaseError).routine === undefined;
}

/** The server ended the session: by a command, a crash, a shutdown, or a time limit. */
const endOfSession = /^(57P|25P03|25P04)/;

/** The driver's own error for a server without TLS has no code. */
function isTlsRefusal(error: unknown): boolean {
  if (tlsRefusal(error) !== undefined) return true;
  return error instanceof Error && error.message === 'The server does not support SSL connections';
}
