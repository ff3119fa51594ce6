/**
 * Reads the contents of listed rows. Time has passed since they were listed: a row that is gone is told as gone, and a new
 * row in its place is never taken for it.
 */
import type pg from 'pg';
import type { CapturedRow } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { readOnly } from '../connect/postgres/transaction.ts';
import { fetchRows } from '../recover/fetch-rows.ts';
import {
  attempt,
  findUnreadable,
  fromPlaces,
  nameOf,
  type TablePlace,
  valuesOf,
} from '../recover/unreadable.ts';
import type { ListedRow } from './listing.ts';

/** @returns what became of the first of `rows`, at least one, as many as their bytes allow; undefined for one that is gone */
export async function readRows(
  config: Config,
  client: pg.Client,
  rows: readonly ListedRow[],
): Promise<(CapturedRow | undefined)[]> {
  return readOnly(client, 'reading events', 'repeatable read', async () => {
    const left = await stillThere(config, client, rows);
    const contents =
      left.length === 0 ? new Map<string, CapturedRow>() : await contentsOf(config, client, left);
    const leftNames = new Set(left.map(nameOf));
    const isRead = (row: ListedRow) => !leftNames.has(nameOf(row)) || contents.has(nameOf(row));
    const end = rows.findIndex((row) => !isRead(row));
    const read = end < 0 ? rows : rows.slice(0, end);
    const released = await releasedLetters(config, client, read, contents);
    return read.map((row) => {
      const content = contents.get(nameOf(row));
      const letter = content?.id == null ? undefined : released.get(content.id);
      return content === undefined || letter === undefined
        ? content
        : { id: content.id, createdAt: content.createdAt, ...letter };
    });
  });
}

async function stillThere(
  config: Config,
  client: pg.Client,
  rows: readonly ListedRow[],
): Promise<ListedRow[]> {
  const sql = `select tableoid::text as relation, ctid::text as place, xmin::text as xid ${fromPlaces(config)}`;
  const find = statement<TablePlace & { xid: string }>('replay.find_rows', 'looking for listed events', sql);
  const found = new Map<string, string>();
  for (const { xid, ...place } of await query(client, find, valuesOf(rows))) found.set(nameOf(place), xid);
  return rows.filter((row) => found.get(nameOf(row)) === row.xid32);
}

/** A row that Postgres cannot send fails the statement that reads it; then the rows are measured first. */
async function contentsOf(
  config: Config,
  client: pg.Client,
  places: readonly TablePlace[],
): Promise<Map<string, CapturedRow>> {
  const read = await attempt(client, () => fetchRows(config, client, places, new Map()));
  if ('result' in read) return read.result;
  return fetchRows(config, client, places, await findUnreadable(config, client, places));
}

type Letter = Pick<CapturedRow, 'aggregatetype' | 'aggregateid' | 'type' | 'payload' | 'headers'>;

async function releasedLetters(
  config: Config,
  client: pg.Client,
  rows: readonly ListedRow[],
  contents: ReadonlyMap<string, CapturedRow>,
): Promise<ReadonlyMap<string, Letter>> {
  const ids = rows.flatMap((row) => {
    const id = row.isReleased ? contents.get(nameOf(row))?.id : undefined;
    return id == null ? [] : [id];
  });
  if (ids.length === 0) return new Map();
  const letters = await query(client, readLetters, [config.slot.name, ids]);
  return new Map(letters.map(({ id, ...letter }) => [id, letter]));
}

/** The last one of an event, should there be several. */
const readLetters = statement<Letter & { id: string }>(
  'replay.read_released_letters',
  'reading dead letters',
  `select distinct on (event_id) event_id as id, aggregatetype, aggregateid, type, payload, headers
     from outbox.dead_letter where slot = $1 and status = 'released' and event_id = any ($2)
    order by event_id, commit_lsn desc, ordinal desc`,
);
