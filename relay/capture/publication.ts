/**
 * The publication through which Postgres streams the outbox. If it is missing, Postgres 18 and newer only warn in the
 * server's log. If the outbox was removed from it, no version reports anything. Events written then are never streamed,
 * not even after the table is added again. So the relay keeps checking that the publication is still the same.
 */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { quoteTable } from '../connect/postgres/quoting.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { RelayError } from '../errors.ts';

/** Where the relay writes heartbeats. Our migrations create it, whatever the name of the outbox table is. */
export const heartbeatTable = 'outbox.heartbeat';

type PublicationRow = {
  outbox: string | null;
  pubinsert: boolean | null;
  tables: string[];
  identity: string;
  has_schemas: boolean;
};

/**
 * Checks that the publication covers every row of the outbox and of the heartbeats (row filters came with 15).
 * @returns its identity: object ids, and the transactions that wrote the rows of the catalogue. It changes when the
 *   publication, or the entry of a table in it, is altered or created again.
 * @throws RelayError PUBLICATION_MISSING, OUTBOX_TABLE_INVALID
 */
export async function readPublication(pool: pg.Pool, config: Config): Promise<string> {
  const { publication, outbox } = config;
  const [found] = await query(pool, readOne, [publication, quoteTable(outbox.table), heartbeatTable]);
  if (found === undefined || found.outbox === null)
    throw new RelayError('OUTBOX_TABLE_INVALID', `table ${outbox.table} does not exist`);
  if (found.pubinsert !== true)
    throw missing(`publication ${publication} does not exist or does not publish inserts`);
  for (const table of [outbox.table, heartbeatTable])
    if (!found.tables.includes(table)) throw missing(`publication ${publication} does not cover ${table}`);
  return found.has_schemas ? `${found.identity}${await schemasOf(pool, publication)}` : found.identity;
}

const readOne = statement<PublicationRow>(
  'capture.read_publication',
  'reading the publication',
  `select to_regclass($2) as outbox, p.pubinsert,
         coalesce((select array_agg(schemaname || '.' || tablename)
                     from pg_publication_tables t
                    where pubname = $1 and to_jsonb(t) ->> 'rowfilter' is null), '{}') as tables,
         concat_ws(' ', p.oid || ':' || p.xmin::text,
                   (select string_agg(r.oid || ':' || r.xmin::text, ',' order by r.oid) from pg_publication_rel r
                     where r.prpubid = p.oid and r.prrelid in (to_regclass($2), to_regclass($3)))) as identity,
         current_setting('server_version_num')::int >= 150000 as has_schemas
    from (select 1) one left join pg_publication p on p.pubname = $1`,
);

/** Schemas that are published as a whole (FOR TABLES IN SCHEMA, from 15 on); empty if there are none. */
async function schemasOf(pool: pg.Pool, publication: string): Promise<string> {
  const [row] = await query(pool, readSchemas, [publication]);
  return row?.schemas ?? '';
}

const readSchemas = statement<{ schemas: string | null }>(
  'capture.read_published_schemas',
  'reading the publication',
  `select ' ' || string_agg(n.oid || ':' || n.xmin::text, ',' order by n.oid) as schemas
    from pg_publication_namespace n join pg_publication p on p.oid = n.pnpubid where p.pubname = $1`,
);

/**
 * Compares the publication that the slot has streamed through with the current one.
 * @param streamed identity of the publication that the slot has streamed through; null if it has not streamed yet
 * @returns PUBLICATION_GAP if they differ; otherwise undefined
 */
export function findPublicationGap(streamed: string | null, now: string): RelayError | undefined {
  if (streamed === null || streamed === now) return undefined;
  return new RelayError(
    'PUBLICATION_GAP',
    'the publication was changed or recreated: events written while it did not cover the outbox were not streamed',
  );
}

/** @throws RelayError PUBLICATION_GAP */
export function assertSamePublication(streamed: string | null, now: string): void {
  const gap = findPublicationGap(streamed, now);
  if (gap !== undefined) throw gap;
}

function missing(message: string): RelayError {
  return new RelayError('PUBLICATION_MISSING', message);
}
