/**
 * One Postgres transaction on dead letters, and who is behind it. What a person does is in the trail exactly if it was
 * done, because both are in this transaction; and no two people send the dead letters of a slot at the same time, so that
 * the order among them is that of their positions.
 */
import { userInfo } from 'node:os';
import pg from 'pg';
import type { Config } from '../config.ts';
import { RelayError } from '../errors.ts';
import { createClient, postgresError, query } from '../postgres.ts';

/** A statement may wait for somebody else's large one, where `database.statementTimeoutMs` is meant for bookkeeping. */
const statementTimeoutMs = 600_000;

/** Runs `work` in a transaction of its own connection; whatever fails rolls all of it back. */
export async function inTransaction<Result>(
  config: Config,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = createClient(config, 'outbox-relay dead-letters', statementTimeoutMs);
  try {
    await client.connect();
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    throw refusalOf(error) ?? postgresError(error, 'working on dead letters');
  } finally {
    // Closing a connection ends its transaction.
    await client.end().catch(() => {});
  }
}

/** Waits for whoever works on the dead letters of the slot. */
export async function takeTurn(client: pg.ClientBase, slot: string): Promise<void> {
  await query(client, 'waiting for another command on the dead letters', 'select outbox.take_turn($1)', [
    slot,
  ]);
}

/** The login on this machine; the trail has the role of Postgres beside it. */
export function whoami(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a number that has no name.
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}

/** A value or a constraint that the outbox table does not accept: SQLSTATE classes 22 and 23. */
function refusalOf(error: unknown): RelayError | undefined {
  const cause = error instanceof RelayError ? error.cause : error;
  if (!(cause instanceof pg.DatabaseError) || !/^2[23]/.test(cause.code ?? '')) return undefined;
  return new RelayError(
    'OUTBOX_TABLE_INVALID',
    `the outbox table does not take the event back: SQLSTATE ${cause.code}${cause.column === undefined ? '' : `, column ${cause.column}`}; nothing was changed`,
    { cause },
  );
}
