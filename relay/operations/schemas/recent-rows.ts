/** The newest rows of the outbox table, as the relay captures them. Reads only. */
import pg from 'pg';
import type { OutboxRow } from '../../capture/transaction.ts';
import type { Config } from '../../config/config.ts';
import { openClient } from '../../connect/postgres/client.ts';
import { pages } from '../../connect/postgres/cursor.ts';
import { quoteTable } from '../../connect/postgres/quoting.ts';
import { assertRowsShown } from '../../connect/postgres/rows-shown.ts';
import { statement } from '../../connect/postgres/statement.ts';
import { readOnly } from '../../connect/postgres/transaction.ts';
import { RelayError } from '../../errors.ts';

/** Rows of one page: about 300 kB, and progress that moves. */
const pageRows = 500;

const doing = 'reading the outbox table';

/** The table has no index by time, so the newest rows may take a scan; `statementTimeoutMs` is meant for bookkeeping. */
const scanTimeoutMs = 600_000;

/** `since` is an ISO 8601 time: rows written before it are left out, and so are whole partitions. */
export type Recent = { readonly limit: number; readonly since?: string };

/**
 * Hands over the newest rows, newest first where the table has a time column.
 * @throws RelayError POSTGRES_*, OUTBOX_TABLE_INVALID; CONFIG_INVALID for `since` without a time column
 */
export async function readRecentRows(
  config: Config,
  recent: Recent,
  onRows: (rows: readonly OutboxRow[]) => Promise<void>,
): Promise<void> {
  const { sql, values } = selectRecent(config, recent);
  const client = await openClient(config, 'outbox-relay schemas test', scanTimeoutMs);
  try {
    await readOnly(client, doing, 'read committed', async () => {
      const select = statement<OutboxRow>('operations.read_recent_rows', doing, sql);
      for await (const rows of pages(client, select, values, pageRows)) await onRows(rows);
      await assertRowsShown(client, config, [config.outbox.table]);
    });
  } finally {
    await client.end().catch(() => {});
  }
}

function selectRecent({ outbox }: Config, { limit, since }: Recent): { sql: string; values: unknown[] } {
  const { id, aggregatetype, aggregateid, type, payload, headers, createdAt } = outbox.columns;
  const column = (name: string, as: string) =>
    `${name === '' ? 'null' : pg.escapeIdentifier(name)}::text as "${as}"`;
  if (since !== undefined && createdAt === '')
    throw new RelayError(
      'CONFIG_INVALID',
      '--since needs a time column, but outbox.columns.createdAt is empty',
    );
  const columns = [
    column(id, 'id'),
    column(aggregatetype, 'aggregatetype'),
    column(aggregateid, 'aggregateid'),
    column(type, 'type'),
    column(payload, 'payload'),
    column(headers, 'headers'),
    column(createdAt, 'createdAt'),
  ];
  const time = createdAt === '' ? undefined : pg.escapeIdentifier(createdAt);
  const where = since === undefined ? '' : `where ${time} >= $2`;
  const order = time === undefined ? '' : `order by ${time} desc`;
  return {
    sql: `select ${columns.join(', ')} from ${quoteTable(outbox.table)} ${where} ${order} limit $1`,
    values: since === undefined ? [limit] : [limit, since],
  };
}
