/** A connection that takes the commands of the replication protocol, and plain statements without parameters. */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { clientConfig } from './client.ts';
import { SessionClient } from './session-client.ts';

/** Not yet connected; nothing on it has a time limit. */
export function createReplicationClient(config: Config): pg.Client {
  const { outboxTable: _, connectionString = '', ...rest } = clientConfig(config, undefined, 0);
  const url = new URL(connectionString);
  url.searchParams.set('replication', 'database');
  const client = new SessionClient({ ...rest, connectionString: url.href });
  client.on('error', () => {}); // the query under way, or the next one, says what is wrong
  return client;
}
