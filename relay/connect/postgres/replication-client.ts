/** Owns the connections that take the commands of the replication protocol, and statements without parameters. */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { clientConfig } from './client.ts';
import { SessionClient } from './session-client.ts';

/** Not yet connected; nothing on it has a time limit. */
export function createReplicationClient(config: Config): pg.Client {
  const { outboxTable: _, ...rest } = clientConfig(config, undefined, 0);
  const client = new SessionClient(Object.assign(rest, { replication: 'database' }));
  client.on('error', () => {}); // the query under way, or the next one, says what is wrong
  return client;
}

/**
 * Sends a command of the replication protocol, or a statement without parameters, on a replication connection. It fails
 * with the driver's error: the caller knows what it means there.
 */
export async function command<Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  text: string,
): Promise<Row[]> {
  return (await client.query<Row>(text)).rows;
}
