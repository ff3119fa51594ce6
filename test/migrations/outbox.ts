/** A fresh database with every migration and the roles applied, and connections as each of the parties. */
import pg from 'pg';
import { RelayError } from '../../relay/errors.ts';
import { migrate } from '../../relay/operations/migrate/migrate.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { applyRoles } from '../support/roles.ts';

export { applyRoles };

export type Party = 'owner' | 'outbox_writer' | 'outbox_relay' | 'outbox_operator';

export type Outbox = AsyncDisposable & {
  readonly url: string;
  /** With the rights of the party, as if it had logged in; closed with the outbox. */
  connect(party: Party): Promise<pg.Client>;
};

/** @param serverUrl of a server of the test's own, whose database `postgres` it takes; by default a new one, on the shared server */
export async function openOutbox(serverUrl?: string): Promise<Outbox> {
  const database =
    serverUrl === undefined ? await createMigratedDatabase() : { url: serverUrl, drop: async () => {} };
  const clients: pg.Client[] = [];
  const connect = async (party: Party) => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    clients.push(client);
    if (party !== 'owner') await client.query(`set session authorization ${party}`);
    return client;
  };
  if (serverUrl !== undefined) await migrate({ databaseUrl: serverUrl });
  await applyRoles(await connect('owner'));
  return {
    url: database.url,
    connect,
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.end()));
      await database.drop();
    },
  };
}

/** The SQLSTATE with which the statement is refused; fails when it is not refused. */
export async function refusalOf(statement: Promise<unknown>): Promise<string | undefined> {
  try {
    await statement;
  } catch (error) {
    const refused = error instanceof RelayError ? error.cause : error;
    if (refused instanceof pg.DatabaseError) return refused.code;
    throw error;
  }
  throw new Error('the statement was not refused');
}

export const insertEvent = `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('order', '1', 'OrderPlaced', '{}')`;

/** An event whose `created_at` is noon UTC of the day so many days from today. */
export const insertEventOfDay = `insert into outbox.event (aggregatetype, aggregateid, type, created_at)
  values ('order', '1', 'OrderPlaced', date_trunc('day', now(), 'UTC') + make_interval(days => $1::int, hours => 12))`;
