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

/** A small pool. It discards a broken connection; the next query reports what is wrong. */
export function createPool(config: Config): pg.Pool {
  const pool = new pg.Pool({
    ...clientConfig(config),
    Client: SessionClient as unknown as new () => pg.Client,
    max: poolConnectionsMax,
    idleTimeoutMillis: 60_000,
  });
  pool.on('error', () => {});
  // The pool handles errors of idle connections only. One lost between two statements of a transaction would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}
