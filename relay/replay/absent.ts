/**
 * How much of a range is not in the table any more, or never was. Promise: a replay that lacks events of its range says so
 * and does not look like a whole one. Where ids or positions name the events, it counts them; for any other range it knows
 * only what cleanup has removed.
 */
import pg from 'pg';
import type { Config } from '../config/config.ts';
import { quoteTable } from '../connect/postgres/quoting.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { readRemovedSince } from '../ledger/removals.ts';
import type { Absent, Range } from './range.ts';

export type AbsentOptions = {
  readonly config: Config;
  readonly range: Range;
  /** The ids that the positions of the range name; null if it names none. */
  readonly positionIds: readonly string[] | null;
  /** Of events from before the first start. */
  readonly isFirst: boolean;
};

/** null if nothing of the range is known to be gone. @throws RelayError POSTGRES_* */
export async function findAbsent(client: pg.ClientBase, options: AbsentOptions): Promise<Absent | null> {
  const { config, range, positionIds, isFirst } = options;
  const ids = positionIds ?? range.ids;
  if (ids !== null) {
    const events = await countAbsent(client, config, ids);
    return events === 0 ? null : { events, isExact: true, before: null };
  }
  // Cleanup keeps rows that no stream has brought, unless it is told to remove them.
  if (isFirst && config.cleanup.unproven === 'keep') return null;
  const removed = await readRemovedSince(client, range.from);
  return removed === undefined ? null : { events: removed.rows, isExact: false, before: removed.before };
}

async function countAbsent(
  client: pg.ClientBase,
  { outbox }: Config,
  ids: readonly string[],
): Promise<number> {
  const id = `${pg.escapeIdentifier(outbox.columns.id)}::text`;
  const count = statement<{ events: string }>(
    'replay.count_absent',
    'looking for the events',
    `select (select count(distinct asked) from unnest($1::text[]) as asked)
          - (select count(distinct ${id}) from ${quoteTable(outbox.table)} where ${id} = any ($1)) as events`,
  );
  const [row] = await query(client, count, [ids]);
  return Number(row!.events);
}
