/** Creates and drops databases on a server that others use too. */
import pg from 'pg';
import { waitFor } from './wait.ts';

/** The URL of another database on the same server. */
export function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

/** Runs `work` on a connection of its own and closes it. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // the query under way, or the next one, fails
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Ends every session on it, and drops its replication slots and itself. */
export function dropDatabase(serverUrl: string, name: string): Promise<void> {
  const ofDatabase = 'from pg_replication_slots where database = $1';
  return withClient(serverUrl, (client) =>
    waitFor(
      async () => {
        try {
          // A walsender needs an instant to let go of its slot, and a relay that still runs may take it again.
          await client.query(`select pg_terminate_backend(active_pid) ${ofDatabase} and active`, [name]);
          await client.query(`select pg_drop_replication_slot(slot_name) ${ofDatabase}`, [name]);
          await client.query(`drop database if exists ${name} with (force)`);
          return true;
        } catch {
          return false;
        }
      },
      `dropping ${name}`,
      15_000,
    ),
  );
}
