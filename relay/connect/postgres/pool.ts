/** Owns the pool for bookkeeping. */
import pg from 'pg';
import type { Config } from '../../config/config.ts';
import { clientConfig } from './client.ts';
import { SessionClient } from './session-client.ts';

/**
 * Each duty of upkeep holds one at most, of which eight ask Postgres, and the stream one, or two where it cancels a
 * statement: so none of them waits for a connection that another one holds. Usually one to three are open.
 */
const poolConnectionsMax = 12;

/** The connection has the same limit and says where it was to lead; the pool, which would not, lets it speak first. */
const patienceMs = 500;

/** A small pool. It discards a broken connection; the next query reports what is wrong. */
export function createPool(config: Config): pg.Pool {
  const { hosts = [] } = clientConfig(config);
  const { connectTimeoutMs } = config.database;
  const pool = new pg.Pool({
    // Where there are several hosts, finding the right one comes before the connection.
    connectionTimeoutMillis: connectTimeoutMs * (hosts.length > 1 ? 3 : 1) + patienceMs,
    Client: pooledClient(config),
    max: poolConnectionsMax,
    idleTimeoutMillis: 60_000,
  });
  pool.on('error', () => {});
  // The pool handles errors of idle connections only. One lost between two statements of a transaction would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  const open = new Set<SessionClient>();
  pool.on('connect', (client) => open.add(client as unknown as SessionClient));
  pool.on('remove', (client) => open.delete(client as unknown as SessionClient));
  openOf.set(pool, open);
  return pool;
}

const openOf = new WeakMap<pg.Pool, ReadonlySet<SessionClient>>();

/** The next statement gets a connection that leads where the address leads now. One that runs fails as at a lost server. */
export function cutConnections(pool: pg.Pool): void {
  for (const client of openOf.get(pool) ?? []) client.cut();
}

/** Its address, certificates and keys are those of the moment when it is made. */
function pooledClient(config: Config): new () => pg.Client {
  return class extends SessionClient {
    constructor() {
      super(clientConfig(config));
    }
  };
}
