/** How the relay connects to Postgres, and what its errors mean. */
import pg from 'pg';
import type { Config } from '../config/config.ts';
import { type ErrorCode, RelayError } from '../errors.ts';
import { rowSecurity, SessionClient, type SessionConfig, withSession } from './postgres-session.ts';
import { plainMessage, tlsOptions, tlsRefusal } from './tls.ts';

/**
 * What a connection is made of, its session's settings included.
 * @param statementTimeoutMs 0 for no limit
 * @throws RelayError CONFIG_INVALID when a file that the URL names cannot be used.
 */
export function clientConfig(
  { database, outbox }: Config,
  applicationName = 'outbox-relay',
  statementTimeoutMs = database.statementTimeoutMs,
): SessionConfig {
  checkFiles(database.url);
  return {
    connectionString: withSession(database.url, { statementTimeoutMs }),
    connectionTimeoutMillis: database.connectTimeoutMs,
    // The server gives up after statement_timeout; the client a little later, in case the server is gone.
    query_timeout: statementTimeoutMs === 0 ? 0 : statementTimeoutMs + 5_000,
    application_name: applicationName,
    keepAlive: true,
    outboxTable: outbox.table,
  };
}

/** The driver reads the files itself, when it connects; an error of the file system would pass for one of the server. */
function checkFiles(url: string): void {
  const { searchParams } = new URL(url);
  const file = (name: string) => searchParams.get(name) ?? undefined;
  tlsOptions({ sslCaFile: file('sslrootcert'), sslCertFile: file('sslcert'), sslKeyFile: file('sslkey') });
}

/**
 * A connection of its own, not yet connected, for what takes longer than bookkeeping may.
 * @param statementTimeoutMs 0 for no limit
 */
export function createClient(config: Config, applicationName: string, statementTimeoutMs: number): pg.Client {
  const client = new SessionClient(clientConfig(config, applicationName, statementTimeoutMs));
  client.on('error', () => {}); // the query under way, or the next one, says what is wrong
  return client;
}

/** The same, connected. @throws RelayError POSTGRES_* */
export async function openClient(
  config: Config,
  applicationName: string,
  statementTimeoutMs: number,
): Promise<pg.Client> {
  const client = createClient(config, applicationName, statementTimeoutMs);
  try {
    await client.connect();
  } catch (error) {
    throw postgresError(error, 'connecting to Postgres');
  }
  return client;
}

/** A small pool for bookkeeping. A broken connection is only discarded: the next query reports what is wrong. */
export function createPool(config: Config): pg.Pool {
  const pool = new pg.Pool({
    ...clientConfig(config),
    Client: SessionClient as unknown as new () => pg.Client,
    max: 3,
    idleTimeoutMillis: 60_000,
  });
  pool.on('error', () => {});
  // The pool listens to idle connections alone; one lost between two statements of a transaction would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

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

/** Runs a query whose failure leaves as a `RelayError`. */
export async function query<Row extends pg.QueryResultRow>(
  client: pg.Pool | pg.ClientBase,
  doing: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  try {
    return (await client.query<Row>(text, [...values])).rows;
  } catch (error) {
    throw postgresError(error, doing);
  }
}

/**
 * To be called after a read from whose result something is concluded: while a session lasts, row-level security may be
 * turned on for a table, or its policy dropped, and a session whose `row_security` is on then reads fewer rows without an
 * error. A transaction that has read a table holds a lock that keeps its policies as they are, so a call before the end of
 * that transaction says what the read saw.
 * @param client sees the catalogue as it is now: in no repeatable-read transaction, which shows policies that are dropped
 * @param tables `schema.table`, each
 * @throws RelayError POSTGRES_ROWS_HIDDEN
 */
export async function assertRowsShown(
  client: pg.Pool | pg.ClientBase,
  { outbox }: Pick<Config, 'outbox'>,
  tables: readonly string[],
): Promise<void> {
  const hidden = await query<{ name: string }>(
    client,
    'reading row-level security',
    `select name from (${rowSecurity(outbox.table)}) as of_tables
      where not shown and oid in (select to_regclass(name) from unnest($1::text[]) as of_read (name))`,
    [tables.map(quoteTable)],
  );
  if (hidden.length === 0) return;
  const names = hidden.map(({ name }) => name).join(', ');
  throw new RelayError(
    'POSTGRES_ROWS_HIDDEN',
    `row-level security may hide rows of ${names} from the role; what was read may not be all there is`,
  );
}

/** The same on a connection of its own, for a read in a snapshot. */
export async function assertRowsShownNow(config: Config, tables: readonly string[]): Promise<void> {
  const client = await openClient(config, 'outbox-relay', config.database.statementTimeoutMs);
  try {
    await assertRowsShown(client, config, tables);
  } finally {
    await client.end().catch(() => {});
  }
}

const sqlStatePattern = /^[0-9A-Z]{5}$/;

function describe(error: unknown): { code: string | undefined; message: string } {
  if (!(error instanceof Error)) return { code: undefined, message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  // Node's errors carry codes such as ECONNREFUSED, and an AggregateError of several addresses has no message.
  const isSqlState = code !== undefined && sqlStatePattern.test(code) && 'severity' in error;
  return { code: isSqlState ? code : undefined, message: error.message || code || error.name };
}

/** `schema.table` as an SQL identifier. */
export function quoteTable(table: string): string {
  return table
    .split('.')
    .map((part) => pg.escapeIdentifier(part))
    .join('.');
}
