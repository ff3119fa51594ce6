/**
 * Rows that Postgres cannot convert to text: bytes that are not UTF-8, in a database that accepts them, or more than 1 GB.
 * A statement that meets such a row fails as a whole and would end the snapshot. So it runs behind a savepoint, and again
 * for ever smaller groups of rows, until each unreadable row is alone.
 */

import pg from 'pg';
import { emptyRow } from '../capture/row-store.ts';
import type { OutboxRow, Unreadable } from '../capture/transaction.ts';
import { describeUnreadable, isUnreadable } from '../capture/unreadable.ts';
import type { Config } from '../config/config.ts';
import { sqlStateOf, sqlStates } from '../connect/postgres/errors.ts';
import { quoteTable } from '../connect/postgres/quoting.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { RelayError } from '../errors.ts';
import type { AbsentEvent } from './gap.ts';

export type TablePlace = Pick<AbsentEvent, 'relation' | 'place'>;

export type Role = keyof OutboxRow;

/** In a row that is too large, columns over this are left out, except for the start of a name. As on the stream. */
export const columnBytesMax = 64 * 1024;

/** The longest message that Postgres can build. */
const rowBytesMax = 2 ** 30 - 1;

/** Places per statement; if none is unreadable, it takes three round trips. */
const probedPlaces = 1_000;

export function nameOf({ relation, place }: TablePlace): string {
  return `${relation} ${place}`;
}

/** For `fromPlaces`. */
export function valuesOf(places: readonly TablePlace[]): unknown[] {
  return [
    [...new Set(places.map(({ relation }) => relation))],
    places.map(({ place }) => place),
    places.map(nameOf),
  ];
}

/** The names tell apart rows of two tables with the same ctid, of which one may be unreadable. */
export function fromPlaces({ outbox }: Config): string {
  return `from ${quoteTable(outbox.table)} where tableoid = any ($1::oid[]) and ctid = any ($2::tid[])
    and tableoid::text || ' ' || ctid::text = any ($3::text[])`;
}

/** The text as the type prints it, and as the stream has it; a cast to text would change some types. */
export const textOf = (column: string) => `format('%s', ${pg.escapeIdentifier(column)})`;

/** Length in UTF-8, without sending the text. Fails if Postgres could not send it. */
const bytesOf = (column: string) => `octet_length(convert_to(${textOf(column)}, 'UTF8'))`;

/** The bytes as they are, whatever the encoding of the database. */
const rawOf = (column: string) => `convert_to(${textOf(column)}, 'SQL_ASCII')`;

/**
 * Stands for an id that is not text; the same bytes give the same. No id of an event starts with it: text has no NUL.
 */
const digestPrefix = '\0';

export function idOfDigest(digest: string): string {
  return digestPrefix + digest;
}

/** A name by which people can find the event. */
export function shownId({ id, relation, place }: Pick<AbsentEvent, 'id' | 'relation' | 'place'>): string {
  return id.startsWith(digestPrefix) ? `row ${place} of table ${relation}, whose id is not text` : id;
}

/** Runs `work` behind a savepoint. @returns the SQLSTATE if Postgres cannot convert something to text */
export async function attempt<Result>(
  client: pg.Client,
  work: () => Promise<Result>,
): Promise<{ readonly result: Result } | { readonly sqlState: string }> {
  await query(client, openSavepoint);
  try {
    const result = await work();
    await query(client, releaseSavepoint);
    return { result };
  } catch (error) {
    const sqlState = sqlStateOf(error);
    if (!isUnreadable(sqlState)) throw error;
    await query(client, rollBackToSavepoint);
    return { sqlState };
  }
}

const ofSavepoint = (name: string, sql: string) => statement(name, 'reading rows apart', sql);
const openSavepoint = ofSavepoint('recover.open_savepoint', 'savepoint readable');
const releaseSavepoint = ofSavepoint('recover.release_savepoint', 'release savepoint readable');
const rollBackToSavepoint = ofSavepoint(
  'recover.roll_back_to_savepoint',
  'rollback to savepoint readable; release savepoint readable',
);

/**
 * Reads every row that can be read.
 * @param read reads some places, and fails if one is unreadable
 * @returns the unreadable places
 */
export async function readApart(
  client: pg.Client,
  places: readonly TablePlace[],
  read: (some: readonly TablePlace[]) => Promise<void>,
): Promise<TablePlace[]> {
  if (places.length === 0) return [];
  if ('result' in (await attempt(client, () => read(places)))) return [];
  if (places.length === 1) return [...places];
  const middle = places.length >> 1;
  return [
    ...(await readApart(client, places.slice(0, middle), read)),
    ...(await readApart(client, places.slice(middle), read)),
  ];
}

/** The places that Postgres cannot convert to text, by name. @throws RelayError POSTGRES_* */
export async function findUnreadable(
  config: Config,
  client: pg.Client,
  places: readonly TablePlace[],
): Promise<Map<string, Unreadable>> {
  const sizes = columnsOf(config).map(([, column]) => `coalesce(${bytesOf(column)}::bigint, 0)`);
  const measure = statement<TablePlace & { isOver: boolean }>(
    'recover.find_large_rows',
    'measuring missing events',
    `select tableoid::text as relation, ctid::text as place, ${sizes.join(' + ')} > ${rowBytesMax} as "isOver"
    ${fromPlaces(config)}`,
  );
  const found = new Map<string, Unreadable>();
  for (let from = 0; from < places.length; from += probedPlaces) {
    const over: TablePlace[] = [];
    const read = async (some: readonly TablePlace[]) => {
      for (const { isOver, ...place } of await query(client, measure, valuesOf(some)))
        if (isOver) over.push(place);
    };
    const apart = await readApart(client, places.slice(from, from + probedPlaces), read);
    for (const place of [...apart, ...over]) found.set(nameOf(place), await examine(config, client, place));
  }
  return found;
}

async function examine(config: Config, client: pg.Client, place: TablePlace): Promise<Unreadable> {
  const bytes: { [Column in Role]?: number } = {};
  /** Sizes, if each column can be read, and all of them together cannot. */
  const large: { [Column in Role]?: number } = {};
  let sqlState: string = sqlStates.programLimitExceeded;
  for (const [role, column] of columnsOf(config)) {
    const probed = await attempt(client, () => readOne(config, client, place, bytesOf(column)));
    if ('result' in probed) {
      if (Number(probed.result) > columnBytesMax) large[role] = Number(probed.result);
    } else {
      sqlState = probed.sqlState;
      bytes[role] = await rawBytes(config, client, place, column, sqlState);
    }
  }
  const isWhole = Object.keys(bytes).length === 0;
  const table = await readOne(config, client, place, 'tableoid::regclass');
  const idDigest = bytes.id === undefined ? null : await readDigest(config, client, place);
  const found = {
    bytes: isWhole ? large : bytes,
    sqlState,
    table: table ?? '',
    place: place.place,
    idDigest,
  };
  return { ...found, message: describeUnreadable(found) };
}

/** Bytes that cannot be converted can be counted; a value that is too large cannot. */
async function rawBytes(
  config: Config,
  client: pg.Client,
  place: TablePlace,
  column: string,
  sqlState: string,
): Promise<number> {
  if (sqlState === sqlStates.programLimitExceeded) return rowBytesMax + 1;
  const raw = await attempt(client, () => readOne(config, client, place, `octet_length(${rawOf(column)})`));
  return 'result' in raw ? Number(raw.result) : rowBytesMax + 1;
}

/** Reads the columns of a row as text: null for what is NULL or cannot be read. */
export async function readColumns(
  config: Config,
  client: pg.Client,
  place: TablePlace,
  wanted: (text: string, role: Role) => string,
  unreadable: Unreadable['bytes'] = {},
): Promise<OutboxRow> {
  const row = emptyRow();
  for (const [role, column] of columnsOf(config)) {
    if (unreadable[role] !== undefined) continue;
    const isNull = `${pg.escapeIdentifier(column)} is null`;
    const text = `case when ${isNull} then null else ${wanted(textOf(column), role)} end`;
    const read = await attempt(client, () => readOne(config, client, place, text));
    if ('result' in read) row[role] = read.result;
  }
  return row;
}

/** A digest in place of the id, or the place if there can be none; null if the id is NULL. */
export async function readDigest(
  config: Config,
  client: pg.Client,
  place: TablePlace,
): Promise<string | null> {
  const { id } = config.outbox.columns;
  const digest = `case when ${pg.escapeIdentifier(id)} is not null then encode(sha256(${rawOf(id)}), 'hex') end`;
  const read = await attempt(client, () => readOne(config, client, place, digest));
  return 'result' in read ? read.result : nameOf(place);
}

function columnsOf({ outbox }: Config): [Role, string][] {
  return (Object.entries(outbox.columns) as [Role, string][]).filter(([, column]) => column !== '');
}

async function readOne(
  config: Config,
  client: pg.Client,
  place: TablePlace,
  expression: string,
): Promise<string | null> {
  const read = statement<{ value: string | null }>(
    'recover.read_column',
    'reading a row column by column',
    `select (${expression})::text as value ${fromPlaces(config)}`,
  );
  const [row] = await query(client, read, valuesOf([place]));
  if (row === undefined) throw new RelayError('INTERNAL', 'a row of the snapshot was not found again');
  return row.value;
}
