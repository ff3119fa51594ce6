/** A connection that takes the commands of the replication protocol, and plain statements without parameters. */
import pg from 'pg';
import type { Config } from '../config.ts';
import { clientConfig, postgresError } from '../postgres.ts';
import { identifySystem, type SystemIdentity } from './capture.ts';

/** Not yet connected; nothing on it has a time limit. */
export function createReplicationClient(config: Config): pg.Client {
  const url = new URL(config.database.url);
  url.searchParams.set('replication', 'database');
  const client = new pg.Client({
    ...clientConfig(config),
    connectionString: url.href,
    statement_timeout: 0,
    query_timeout: 0,
  });
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
