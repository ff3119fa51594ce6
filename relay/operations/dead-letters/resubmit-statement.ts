/**
 * How a dead letter becomes a row of the outbox table again, whichever table that is. All of it happens in Postgres: no
 * payload passes through the operation.
 *
 * Where the id must be unique, the refused row is in the way of the new one and is deleted in the same transaction. Only
 * inserts are published, so no consumer sees the DELETE.
 */
import pg from 'pg';
import type { Config } from '../../config/config.ts';
import { quoteTable } from '../../connect/postgres/quoting.ts';
import { query, type Statement, statement } from '../../connect/postgres/statement.ts';
import { RelayError } from '../../errors.ts';

/** Statements over `$1` slot, `$2` commit LSNs and `$3` ordinals of the dead letters. */
export type OutboxStatements = { readonly insert: Statement; readonly deleteOld: Statement | undefined };

const chosen = `from outbox.dead_letter as letter
  join unnest($2::pg_lsn[], $3::bigint[]) as chosen (commit_lsn, ordinal) using (commit_lsn, ordinal)
  where letter.slot = $1`;

/** Column of `outbox.dead_letter` for each role. */
const sources = {
  id: 'event_id',
  aggregatetype: 'aggregatetype',
  aggregateid: 'aggregateid',
  type: 'type',
  payload: 'payload',
  headers: 'headers',
  createdAt: 'event_created_at',
} as const;

type Column = {
  name: string;
  type: string;
  has_default: boolean;
  is_unique: boolean;
  /** Of pg_catalog: operators of other types, such as those of an extension, are not on the search path. */
  is_builtin: boolean;
};

/** @throws RelayError OUTBOX_TABLE_INVALID, POSTGRES_* */
export async function outboxStatements(client: pg.ClientBase, config: Config): Promise<OutboxStatements> {
  const { table, columns } = config.outbox;
  const known = new Map((await readColumns(client, table)).map((column) => [column.name, column]));
  const used = (Object.entries(columns) as [keyof typeof sources, string][])
    .filter(([, name]) => name !== '')
    .map(([role, name]) => ({ role, column: known.get(name) ?? missing(table, name) }))
    // A new row has a new time: the old one may lie in a partition that is gone.
    .filter(({ role, column }) => role !== 'createdAt' || !column.has_default);
  const names = used.map(({ column }) => pg.escapeIdentifier(column.name)).join(', ');
  const values = used.map(({ role, column }) => `letter.${sources[role]}::${column.type}`).join(', ');
  const id = known.get(columns.id)!;
  return {
    // `overriding system value`: the id keeps its value even where the column is GENERATED ALWAYS AS IDENTITY.
    insert: statement(
      'operations.write_events',
      'writing the events',
      `insert into ${quoteTable(table)} (${names}) overriding system value
        select ${values} ${chosen} order by letter.commit_lsn, letter.ordinal`,
    ),
    deleteOld: id.is_unique
      ? statement(
          'operations.delete_refused_events',
          'removing the refused events',
          `delete from ${quoteTable(table)} where ${pg.escapeIdentifier(id.name)}${id.is_builtin ? '' : '::text'} in
            (select letter.event_id${id.is_builtin ? `::${id.type}` : ''} ${chosen})`,
        )
      : undefined,
  };
}

function readColumns(client: pg.ClientBase, table: string): Promise<Column[]> {
  return query(
    client,
    statement<Column>(
      'operations.read_outbox_columns',
      'reading the columns of the outbox table',
      `select attname as name, format_type(atttypid, atttypmod) as type, atthasdef or attidentity <> '' as has_default,
       exists (select from pg_index where indrelid = attrelid and indisunique and indnkeyatts = 1 and indkey[0] = attnum)
         as is_unique,
       (select typnamespace = 'pg_catalog'::regnamespace from pg_type where oid = atttypid) as is_builtin
     from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
    ),
    [quoteTable(table)],
  );
}

function missing(table: string, column: string): never {
  throw new RelayError('OUTBOX_TABLE_INVALID', `${table} has no column ${column}`);
}
