/** Owns how a connection to Postgres is made: address, credentials, TLS, limits. */
import type pg from 'pg';
import { parseIntoClientConfig } from 'pg-connection-string';
import type { Config } from '../../config/config.ts';
import { messageOf, RelayError } from '../../errors.ts';
import { tlsOptions } from '../tls.ts';
import { addressOf } from './address.ts';
import { postgresError } from './errors.ts';
import { type LatePassword, latePasswordOf } from './late-password.ts';
import { type PasswordSource, passwordSource } from './password.ts';
import { hostFor, SessionClient, type SessionConfig } from './session-client.ts';
import { type SessionLimits, withSession } from './session-settings.ts';

export type Connection = {
  readonly url: string;
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  /** 0 for no limit */
  readonly statementTimeoutMs: number;
  /** `schema.table`; of a session that reads it. */
  readonly outboxTable?: string;
  /** Where it is neither in the URL nor in the environment. */
  readonly passwordOf?: PasswordSource | undefined;
  /** Of a process that connects again and again. */
  readonly late?: LatePassword;
  /** More settings of the session. */
  readonly more?: SessionLimits['more'];
  /** Whether a standby is refused, whatever the URL says. */
  readonly isPrimaryNeeded?: boolean;
};

/**
 * From now on no connection with this configuration leads to a standby: for a process that shows what it reads as the
 * present, for days and across failovers. A standby may lack the latest, and does not say so.
 */
export function needPrimary({ database }: Config): void {
  needingPrimary.add(database);
}

const needingPrimary = new WeakSet<Config['database']>();

/**
 * What a connection is made of, its session's settings included. The files that the URL names are read each time, so that
 * a certificate or a service that was changed counts without a restart. Files that are of no use now, perhaps because they
 * are just being written, leave the last good ones in place.
 * @param statementTimeoutMs 0 for no limit
 * @throws RelayError CONFIG_INVALID if a file that the URL names is of no use to begin with
 */
export function clientConfig(
  { database, outbox }: Config,
  applicationName = 'outbox-relay',
  statementTimeoutMs = database.statementTimeoutMs,
  more: SessionLimits['more'] = {},
): SessionConfig {
  const { url, connectTimeoutMs } = database;
  const known = lastGood.get(database) ?? new Map<string, SessionConfig>();
  lastGood.set(database, known);
  const kind = JSON.stringify([applicationName, statementTimeoutMs, more]);
  try {
    const late = latePasswordOf(database);
    const source = passwordSource(database);
    const config = sessionConfig({
      url,
      applicationName,
      connectTimeoutMs,
      statementTimeoutMs,
      outboxTable: outbox.table,
      ...(source === undefined ? {} : { passwordOf: late.watch(source), late }),
      more,
      isPrimaryNeeded: needingPrimary.has(database),
    });
    known.set(kind, config);
    return config;
  } catch (error) {
    const last = known.get(kind);
    if (last === undefined) throw error;
    return last;
  }
}

/** By what kind of connection it is for; there are a few. */
const lastGood = new WeakMap<Config['database'], Map<string, SessionConfig>>();

function sessionConfig(connection: Connection): SessionConfig {
  const { applicationName, connectTimeoutMs, statementTimeoutMs, outboxTable, passwordOf, late, more } =
    connection;
  const { url, hosts, wanted } = addressOf(connection.url);
  trustSystem(url);
  const limits: SessionLimits = { statementTimeoutMs, ...(more === undefined ? {} : { more }) };
  return {
    application_name: applicationName,
    ...driverConfig(url, limits),
    ...hosts[0]!,
    connectionTimeoutMillis: connectTimeoutMs,
    // The server gives up after statement_timeout; the client a little later, in case the server is gone.
    query_timeout: statementTimeoutMs === 0 ? 0 : statementTimeoutMs + 5_000,
    keepAlive: true,
    hosts,
    wanted: connection.isPrimaryNeeded === true ? 'primary' : wanted,
    ...(outboxTable === undefined ? {} : { outboxTable }),
    ...(passwordOf === undefined ? {} : { passwordOf }),
    ...(late === undefined ? {} : { late }),
  };
}

/** As libpq has it since 16, and as providers write it. Node trusts the authorities that it knows where no file is named. */
function trustSystem({ searchParams }: URL): void {
  if (searchParams.get('sslrootcert') !== 'system') return;
  searchParams.delete('sslrootcert');
  if (!searchParams.has('sslmode')) searchParams.set('sslmode', 'verify-full');
}

const inUrl = {
  sslCaFile: 'sslrootcert in database.url',
  sslCertFile: 'sslcert in database.url',
  sslKeyFile: 'sslkey in database.url',
};

/**
 * What the driver makes of a URL. Its files are read here, and not by the driver, where an error of the file system would
 * look like one of the server.
 */
function driverConfig(url: URL, limits: SessionLimits): pg.ClientConfig {
  const file = (name: string) => url.searchParams.get(name) ?? undefined;
  const files = { sslCaFile: file('sslrootcert'), sslCertFile: file('sslcert'), sslKeyFile: file('sslkey') };
  const { rejectUnauthorized: _, ...pem } = tlsOptions(files, inUrl);
  let config: pg.ClientConfig;
  try {
    config = parseIntoClientConfig(withSession(url.href, limits));
  } catch (cause) {
    throw new RelayError('CONFIG_INVALID', `database.url: ${messageOf(cause)}`, { cause });
  }
  // The driver has read them too, perhaps while they were written.
  if (typeof config.ssl === 'object') Object.assign(config.ssl, pem);
  return config;
}

/**
 * A connection of its own, not yet connected, for work that takes longer than bookkeeping may.
 * @param statementTimeoutMs 0 for no limit
 */
export function createClient(config: Config, applicationName: string, statementTimeoutMs: number): pg.Client {
  return quiet(new SessionClient(clientConfig(config, applicationName, statementTimeoutMs)));
}

/**
 * For a client that another library creates of it, at the host that is the right one now.
 * @throws RelayError POSTGRES_* where there are several hosts, and none is
 */
export async function foreignClientConfig(
  config: Config,
  more: SessionLimits['more'],
): Promise<pg.ClientConfig> {
  const session = clientConfig(config, undefined, 0, more);
  const { passwordOf, outboxTable: _, hosts = [], wanted: __, late: ___, ...rest } = session;
  const host = hosts.length > 1 ? await hostFor(session) : {};
  return {
    ...rest,
    ...host,
    ...(passwordOf === undefined ? {} : { password: asDriverTakes(passwordOf) }),
  };
}

/** The driver calls it with what it knows of the connection, which its types do not say. */
const asDriverTakes = (passwordOf: PasswordSource) => passwordOf as () => Promise<string>;

/** The same for a caller without a configuration. */
export function clientOf(connection: Connection): pg.Client {
  return quiet(new SessionClient(sessionConfig(connection)));
}

/** An error of the connection fails the current query, or the next one; as an event it would end the process. */
function quiet(client: pg.Client): pg.Client {
  return client.on('error', () => {});
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
