/**
 * Reads missing rows of the snapshot, as many at once as their bytes allow. A row over `publish.maxRowBytes` comes as it
 * would on the stream: without its large columns, which Postgres leaves out.
 */
import pg from 'pg';
import type { CapturedRow, LeftOut, OutboxRow, Unreadable } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { maxRowBytesOf } from '../config/row-size.ts';
import { query, type Statement, statement } from '../connect/postgres/statement.ts';
import {
  columnBytesMax,
  fromPlaces,
  nameOf,
  readColumns,
  type TablePlace,
  textOf,
  valuesOf,
} from './unreadable.ts';

/** Limit for the rows that are fetched at once; a larger row comes alone. */
const fetchBytesMax = 16 * 1024 * 1024;
const beginningCharacters = 1_000;

type Sized = TablePlace & { readonly [Role in keyof OutboxRow]: string | null };

/**
 * @param unreadable the places that Postgres cannot convert to text, by name
 * @returns the first of `places`, by name: at least one, and no more than the bytes allow
 * @throws RelayError POSTGRES_*
 */
export async function fetchRows(
  config: Config,
  client: pg.Client,
  places: readonly TablePlace[],
  unreadable: ReadonlyMap<string, Unreadable>,
): Promise<Map<string, CapturedRow>> {
  const sizes = new Map<string, Partial<Record<keyof OutboxRow, number>>>();
  for (const { relation, place, ...bytes } of await query(
    client,
    select(config, 'recover.measure_rows', (text) => `octet_length(${text})`),
    valuesOf(places.filter((place) => !unreadable.has(nameOf(place)))),
  ))
    sizes.set(nameOf({ relation, place }), numbersOf(bytes));
  const maxRowBytes = maxRowBytesOf(config.publish);
  const bytesOf = (place: TablePlace) =>
    Object.values(sizes.get(nameOf(place)) ?? {}).reduce((sum, bytes) => sum + bytes, 0);
  const chosen = firstOf(places, (place) => Math.min(bytesOf(place), maxRowBytes));
  const rows = new Map<string, CapturedRow>();
  const read = async (some: readonly TablePlace[], statement: Statement<Sized>) => {
    if (some.length === 0) return;
    for (const { relation, place, ...row } of await query(client, statement, valuesOf(some)))
      rows.set(nameOf({ relation, place }), row);
  };
  const large = chosen.filter((place) => bytesOf(place) > maxRowBytes);
  const apart = chosen.filter((place) => unreadable.has(nameOf(place)));
  await read(
    chosen.filter((place) => !large.includes(place) && !apart.includes(place)),
    select(config, 'recover.read_rows', (text) => text),
  );
  await read(large, select(config, 'recover.read_shortened_rows', shortened));
  for (const place of large) {
    const row = rows.get(nameOf(place));
    if (row === undefined) continue;
    const leftOut = { ...leftOutOf(sizes.get(nameOf(place)) ?? {}), rowBytes: bytesOf(place) };
    rows.set(nameOf(place), { ...row, leftOut });
  }
  for (const place of apart)
    rows.set(nameOf(place), await readRest(config, client, place, unreadable.get(nameOf(place))!));
  return rows;
}

/** Reads the readable columns of an unreadable row. */
async function readRest(
  config: Config,
  client: pg.Client,
  place: TablePlace,
  unreadable: Unreadable,
): Promise<CapturedRow> {
  const { bytes } = unreadable;
  const row = await readColumns(config, client, place, shortened, bytes);
  const rowBytes = Object.values(bytes).reduce((sum, each) => sum + each, 0);
  return { ...row, leftOut: { ...bytes, rowBytes }, unreadable };
}

function firstOf(
  places: readonly TablePlace[],
  bytesOf: (place: TablePlace) => number,
): readonly TablePlace[] {
  let bytes = 0;
  const end = places.findIndex((place, index) => {
    bytes += bytesOf(place);
    return index > 0 && bytes > fetchBytesMax;
  });
  return end < 0 ? places : places.slice(0, end);
}

function numbersOf(bytes: OutboxRow): Partial<Record<keyof OutboxRow, number>> {
  return Object.fromEntries(
    Object.entries(bytes).flatMap(([role, text]) => (text === null ? [] : [[role, Number(text)]])),
  );
}

function leftOutOf(bytes: Partial<Record<keyof OutboxRow, number>>): Omit<LeftOut, 'rowBytes'> {
  return Object.fromEntries(Object.entries(bytes).filter(([, size]) => size > columnBytesMax));
}

function shortened(text: string, role: string): string {
  const isName = role !== 'payload' && role !== 'headers';
  const rest = isName ? `left(${text}, ${beginningCharacters}) || '…'` : 'null';
  return `case when octet_length(${text}) <= ${columnBytesMax} then ${text} else ${rest} end`;
}

function select(
  config: Config,
  name: string,
  wanted: (text: string, role: string) => string,
): Statement<Sized> {
  const roles = Object.entries(config.outbox.columns).map(([role, name]) => {
    const column = pg.escapeIdentifier(name);
    const text =
      name === '' ? 'null' : `case when ${column} is not null then ${wanted(textOf(name), role)} end`;
    return `${text} as ${pg.escapeIdentifier(role)}`;
  });
  const sql = `select tableoid::text as relation, ctid::text as place, ${roles.join(', ')} ${fromPlaces(config)}`;
  return statement(name, 'reading missing events', sql);
}
