/** Owns how a connection to Postgres is made: address, credentials, TLS, limits. */
import type pg from 'pg';
import { parseIntoClientConfig } from 'pg-connection-string';
import type { Config } from '../../config/config.ts';
import { tlsOptions } from '../tls.ts';
import { postgresError } from './errors.ts';
import { type PasswordSource, passwordSource } from './password.ts';
import { SessionClient, type SessionConfig } from './session-client.ts';
import { withSession } from './session-settings.ts';

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
};

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
  const { url, connectTimeoutMs } = database;
  return sessionConfig({
    url,
    applicationName,
    connectTimeoutMs,
    statementTimeoutMs,
    outboxTable: outbox.table,
    passwordOf: passwordSource(database),
  });
}

function sessionConfig(connection: Connection): SessionConfig {
  const { url, applicationName, connectTimeoutMs, statementTimeoutMs, outboxTable, passwordOf } = connection;
  checkFiles(url);
  return {
    connectionString: withSession(url, { statementTimeoutMs }),
    connectionTimeoutMillis: connectTimeoutMs,
    // The server gives up after statement_timeout; the client a little later, in case the server is gone.
    query_timeout: statementTimeoutMs === 0 ? 0 : statementTimeoutMs + 5_000,
    application_name: applicationName,
    keepAlive: true,
    ...(outboxTable === undefined ? {} : { outboxTable }),
    ...(passwordOf === undefined ? {} : { passwordOf }),
  };
}

/** The driver reads these files when it connects. There, an error of the file system would look like one of the server. */
function checkFiles(url: string): void {
  const { searchParams } = new URL(url);
  const file = (name: string) => searchParams.get(name) ?? undefined;
  tlsOptions({ sslCaFile: file('sslrootcert'), sslCertFile: file('sslcert'), sslKeyFile: file('sslkey') });
}

/**
 * A connection of its own, not yet connected, for work that takes longer than bookkeeping may.
 * @param statementTimeoutMs 0 for no limit
 */
export function createClient(config: Config, applicationName: string, statementTimeoutMs: number): pg.Client {
  return quiet(new SessionClient(clientConfig(config, applicationName, statementTimeoutMs)));
}

/**
 * For a client that another library creates of it. The driver prefers the password of a connection string to any other,
 * even if it has none.
 */
export function foreignClientConfig(config: Config, connectionString: string): pg.ClientConfig {
  const { passwordOf, outboxTable: _, ...rest } = clientConfig(config, undefined, 0);
  if (passwordOf === undefined) return { ...rest, connectionString };
  const { connectionString: __, ...others } = rest;
  return { ...others, ...parseIntoClientConfig(connectionString), password: asDriverTakes(passwordOf) };
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
