/** Owns what a statement is and how it is run. Promise: a failure names what the relay was doing, and the statement. */
import type pg from 'pg';
import { type Meanings, postgresError } from './errors.ts';

export type Client = pg.Pool | pg.ClientBase;

/**
 * A statement with a name, declared beside the code that runs it. The name begins the text, as a comment: so the log of
 * the server, `pg_stat_activity` and the relay's own errors show it, and the simulation knows statements by it.
 *
 * It is never the name of a prepared statement on the server. Those belong to one connection, which a pooler may hand to
 * somebody else, and the server may keep a plan for them that fits the first values and none after.
 */
export type Statement<Row extends pg.QueryResultRow = pg.QueryResultRow> = {
  /** `room.what_it_does`; no two statements have the same. */
  readonly name: string;
  /** What fails if it fails, as in `reading the slot`. */
  readonly doing: string;
  readonly text: string;
  /** Where an SQLSTATE means something else than in any other statement. */
  readonly own?: Meanings;
  /** Only a type: what a row of the result is. */
  readonly row?: Row;
};

export function statement<Row extends pg.QueryResultRow = pg.QueryResultRow>(
  name: string,
  doing: string,
  sql: string,
  own: Meanings = {},
): Statement<Row> {
  return { name, doing, text: `${nameOf(name)} ${sql}`, own };
}

/**
 * For a replication connection: Postgres 14 takes a text that begins with a comment for a malformed command of the
 * replication protocol.
 */
export function withoutName<Row extends pg.QueryResultRow>(statement: Statement<Row>): Statement<Row> {
  return { ...statement, text: statement.text.slice(nameOf(statement.name).length + 1) };
}

const nameOf = (name: string) => `/* ${name} */`;

/** The name in a text that `statement` has made; undefined for any other. */
export function statementNameIn(text: string): string | undefined {
  return text.startsWith('/* ') ? text.slice(3, text.indexOf(' */')) : undefined;
}

/** Runs a statement. @throws RelayError POSTGRES_* and what else the SQLSTATE means */
export async function query<Row extends pg.QueryResultRow>(
  client: Client,
  { name, doing, text, own = {} }: Statement<Row>,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  try {
    return (await client.query<Row>(text, [...values])).rows;
  } catch (error) {
    throw postgresError(error, doing, { own, statement: name });
  }
}
