/** Owns how a transaction begins and ends. Promise: what fails half-way is rolled back, and holds no lock for long. */
import type pg from 'pg';
import { postgresError } from './errors.ts';
import { type Client, query, statement } from './statement.ts';

/** How long the server lets a transaction of the relay's bookkeeping wait for its next statement. */
export const idleTimeoutMs = 5_000;

/**
 * Runs `work` in a transaction of bookkeeping. Its locks may keep another relay from taking over, so the server ends it if
 * this process is stopped half-way.
 */
export function inTransaction<Result>(
  pool: pg.Pool,
  doing: string,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  return withPooled(pool, doing, (client) => transaction(client, doing, () => work(client), idleTimeoutMs));
}

/** Runs `work` on one connection of the pool. If it fails, the connection is closed, which rolls back. */
export async function withPooled<Result>(
  pool: pg.Pool,
  doing: string,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect().catch((error: unknown) => {
    throw postgresError(error, doing);
  });
  let failure: Error | undefined;
  try {
    return await work(client);
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.release(failure);
  }
}

/**
 * Runs `work` in a transaction. If it fails, the transaction is still open: the caller closes the connection, which rolls
 * back without waiting for a server that may not answer.
 * @param idleMs after which the server ends the session, if no statement comes; 0 for no limit
 */
export async function transaction<Result>(
  client: Client,
  doing: string,
  work: () => Promise<Result>,
  idleMs = 0,
): Promise<Result> {
  const limit = idleMs === 0 ? '' : `; set local idle_in_transaction_session_timeout = ${idleMs}`;
  await query(client, statement('transaction.begin', doing, `begin${limit}`));
  const result = await work();
  await query(client, statement('transaction.commit', doing, 'commit'));
  return result;
}

/** Runs `work`, which only reads, and rolls back. @param isolation `repeatable read`: all of it sees one snapshot */
export async function readOnly<Result>(
  client: pg.ClientBase,
  doing: string,
  isolation: 'read committed' | 'repeatable read',
  work: () => Promise<Result>,
): Promise<Result> {
  await beginReadOnly(client, doing, isolation);
  try {
    return await work();
  } finally {
    await rollBack(client);
  }
}

/**
 * Ends the open transaction, if there is one. Never fails: if the connection is lost, the next statement on it reports
 * that.
 */
export async function rollBack(client: pg.ClientBase): Promise<void> {
  await client.query('rollback').catch(() => {});
}

/** For a snapshot that is read until its connection is closed. */
export async function beginReadOnly(
  client: pg.ClientBase,
  doing: string,
  isolation: 'read committed' | 'repeatable read',
): Promise<void> {
  const begin = `begin isolation level ${isolation}, read only`;
  await query(client, statement('transaction.begin_read_only', doing, begin));
}
