/** A connection that takes the commands of the replication protocol, and plain statements without parameters. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { clientConfig, postgresError } from '../connect/postgres.ts';
import { SessionClient } from '../connect/postgres-session.ts';
import { identifySystem, type SystemIdentity } from './capture.ts';

/** Not yet connected; nothing on it has a time limit. */
export function createReplicationClient(config: Config): pg.Client {
  const { outboxTable: _, connectionString = '', ...rest } = clientConfig(config, undefined, 0);
  const url = new URL(connectionString);
  url.searchParams.set('replication', 'database');
  const client = new SessionClient({ ...rest, connectionString: url.href });
  client.on('error', () => {}); // the query under way, or the next one, says what is wrong
  return client;
}

/** Who the server is. @throws RelayError POSTGRES_* */
export async function readSystem(config: Config): Promise<SystemIdentity> {
  const client = createReplicationClient(config);
  try {
    await client.connect();
    return await identifySystem(client);
  } catch (error) {
    throw postgresError(error, 'asking who the server is');
  } finally {
    await client.end().catch(() => {});
  }
}
