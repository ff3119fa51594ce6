/**
 * One Postgres transaction on dead letters. An action is in the audit trail exactly if it was done, because both are in
 * this transaction. No two people resubmit dead letters of a slot at the same time, so their order is that of their positions.
 */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { createClient } from '../../connect/postgres/client.ts';
import { postgresError, sqlStateOf, sqlStates } from '../../connect/postgres/errors.ts';
import { assertRowsShown } from '../../connect/postgres/rows-shown.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { transaction } from '../../connect/postgres/transaction.ts';
import { RelayError } from '../../errors.ts';
import { ledgerTables } from '../../ledger/tables.ts';

/** A statement may wait for a large one of somebody else; `database.statementTimeoutMs` is meant for bookkeeping. */
const statementTimeoutMs = 600_000;

const doing = 'working on dead letters';

/** Runs `work` in a transaction on a connection of its own; a failure rolls all of it back. */
export async function inTransaction<Result>(
  config: Config,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = createClient(config, 'outbox-relay dead-letters', statementTimeoutMs);
  try {
    await client.connect().catch((error: unknown) => {
      throw postgresError(error, doing);
    });
    return await transaction(client, doing, async () => {
      const result = await work(client);
      await assertLettersShown(client, config);
      return result;
    });
  } catch (error) {
    // Statements and the connection have translated theirs; what `work` throws by itself is not about Postgres.
    throw refusalOf(error) ?? error;
  } finally {
    // Closing a connection ends its transaction.
    await client.end().catch(() => {});
  }
}

/**
 * Call it after a read: dead letters that row-level security hides must not pass for none, nor a trail of which it hides a
 * part for one in which nobody did anything. What waits for a topic that is set aside follows from the pauses.
 * @throws RelayError POSTGRES_*
 */
export function assertLettersShown(client: pg.Pool | pg.ClientBase, config: Config): Promise<void> {
  return assertRowsShown(client, config, [...ledgerTables, 'outbox.dead_letter_action', 'outbox.pause']);
}

/** Waits for others who work on the dead letters of the slot. */
export async function takeTurn(client: pg.ClientBase, slot: string): Promise<void> {
  await query(
    client,
    statement(
      'operations.take_turn',
      'waiting for another command on the dead letters',
      'select outbox.take_turn($1)',
    ),
    [slot],
  );
}

/**
 * The outbox table does not accept a row: a value (class 22), a constraint (23), a generated column (428C9), a type (42804,
 * 42846), a missing column or function (42703, 42883), or an exception of a trigger (P0). The server's details are left
 * out, for they hold values.
 */
const refusals = /^(22|23|P0|428C9|42804|42846|42703|42883)/;

/** Those of a single row: another one may be accepted. */
const rowRefusals = /^(22|23|P0)/;

function refusalOf(error: unknown): RelayError | undefined {
  const cause = error instanceof RelayError ? error.cause : error;
  const why = whyRefused(error, refusals);
  if (why === undefined) return undefined;
  return new RelayError(
    'OUTBOX_TABLE_INVALID',
    `the outbox table does not accept the event: ${why}; nothing was changed`,
    { cause },
  );
}

/** Why the outbox table does not accept a row; undefined for an error that is not about one. */
export const rowRefusalOf = (error: unknown): string | undefined => whyRefused(error, rowRefusals);

function whyRefused(error: unknown, states: RegExp): string | undefined {
  const sqlState = sqlStateOf(error);
  if (sqlState === undefined || !states.test(sqlState)) return undefined;
  if (sqlState === sqlStates.untranslatableCharacter)
    return `SQLSTATE ${sqlState}, its payload or headers have \\u0000, which jsonb cannot hold: take that out of them`;
  const cause = error instanceof RelayError ? error.cause : error;
  const { table, column, constraint } = cause as pg.DatabaseError;
  const where = Object.entries({ table, column, constraint }).flatMap(([what, name]) =>
    name === undefined ? [] : `, ${what} ${name}`,
  );
  return `SQLSTATE ${sqlState}${where.join('')}`;
}
