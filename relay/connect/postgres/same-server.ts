/**
 * Owns whether a statement reaches the server that streams. An address may lead to another one from one connection to the
 * next: to a standby that was promoted, while the old primary still runs and older connections lead there. Promise: what
 * the relay stores about events goes to the server that they come from, and what it compares with the progress is read
 * there.
 */
import { RelayError } from '../../errors.ts';
import { type Client, query, statement } from './statement.ts';

/**
 * When the server started, in microseconds, whatever the settings of the session. Standbys have the identifier of their
 * primary, and a promoted one may have its slots, its tables and soon its position.
 */
export const serverStart = `to_char(pg_postmaster_start_time() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** @param ofStream start of the server that streams; undefined where nothing does. @throws RelayError POSTGRES_MOVED */
export async function assertSameServer(client: Client, ofStream: string | undefined): Promise<void> {
  if (ofStream === undefined) return;
  const [row] = await query(client, readStart);
  assertSameStart(row?.started, ofStream);
}

const readStart = statement<{ started: string }>(
  'connect.read_server_start',
  'asking which server answers',
  `select ${serverStart} as started`,
);

/** @param found start of the server that answered the statement. @throws RelayError POSTGRES_MOVED */
export function assertSameStart(found: string | undefined, ofStream: string | undefined): void {
  if (ofStream === undefined || found === ofStream) return;
  throw new RelayError(
    'POSTGRES_MOVED',
    `the stream comes from a server that started at ${ofStream}, and a statement reached one that started at ${found}`,
  );
}
