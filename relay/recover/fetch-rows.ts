/**
 * Reads missing rows of the snapshot, so many at once as their bytes allow. A row over `publish.maxRowBytes` comes as it
 * would on the stream: without what is too large of it, which Postgres leaves out.
 */
import pg from 'pg';
import type { CapturedRow, LeftOut, OutboxRow } from '../capture/transaction.ts';
import type { Config } from '../config.ts';
import { query, quoteTable } from '../postgres.ts';
import { maxRowBytesOf } from '../row-size.ts';
import type { AbsentEvent } from './gap.ts';

export type Place = Pick<AbsentEvent, 'relation' | 'place'>;

/** Of the rows fetched at once; one that may be larger comes alone. */
const fetchBytesMax = 16 * 1024 * 1024;
/** As on the stream: of a row that is too large, a column over this is left out, but for the beginning of a name. */
const columnBytesMax = 64 * 1024;
const beginningCharacters = 1_000;

export function nameOf({ relation, place }: Place): string {
  return `${relation} ${place}`;
}

type Sized = Place & { readonly [Role in keyof OutboxRow]: string | null };

/**
 * @returns the first of `places`, by name: one at least, and no more than the bytes allow
 * @throws RelayError POSTGRES_*
 */
export async function fetchRows(
  config: Config,
  client: pg.Client,
  places: readonly Place[],
): Promise<Map<string, CapturedRow>> {
  const doing = 'reading missing events';
  const sizes = new Map<string, Partial<Record<keyof OutboxRow, number>>>();
  for (const { relation, place, ...bytes } of await query<Sized>(
    client,
    doing,
    select(config, (text) => `octet_length(${text})`),
    valuesOf(places),
  ))
    sizes.set(nameOf({ relation, place }), numbersOf(bytes));
  const maxRowBytes = maxRowBytesOf(config.publish);
  const bytesOf = (place: Place) =>
    Object.values(sizes.get(nameOf(place)) ?? {}).reduce((sum, bytes) => sum + bytes, 0);
  const chosen = firstOf(places, (place) => Math.min(bytesOf(place), maxRowBytes));
  const rows = new Map<string, CapturedRow>();
  const read = async (some: readonly Place[], text: string) => {
    if (some.length === 0) return;
    for (const { relation, place, ...row } of await query<Sized>(client, doing, text, valuesOf(some)))
      rows.set(nameOf({ relation, place }), row);
  };
  const large = chosen.filter((place) => bytesOf(place) > maxRowBytes);
  await read(
    chosen.filter((place) => !large.includes(place)),
    select(config, (text) => text),
  );
  await read(large, select(config, shortened));
  for (const place of large) {
    const row = rows.get(nameOf(place));
    if (row === undefined) continue;
    const leftOut = { ...leftOutOf(sizes.get(nameOf(place)) ?? {}), rowBytes: bytesOf(place) };
    rows.set(nameOf(place), { ...row, leftOut });
  }
  return rows;
}

function firstOf(places: readonly Place[], bytesOf: (place: Place) => number): readonly Place[] {
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

function valuesOf(places: readonly Place[]): unknown[] {
  return [[...new Set(places.map(({ relation }) => relation))], places.map(({ place }) => place)];
}

function shortened(text: string, role: string): string {
  const isName = role !== 'payload' && role !== 'headers';
  const rest = isName ? `left(${text}, ${beginningCharacters}) || '…'` : 'null';
  return `case when octet_length(${text}) <= ${columnBytesMax} then ${text} else ${rest} end`;
}

/** Each column as its type prints it, as the stream does; a cast to text would strip and rewrite some. */
function select({ outbox }: Config, wanted: (text: string, role: string) => string): string {
  const roles = Object.entries(outbox.columns).map(([role, name]) => {
    const column = pg.escapeIdentifier(name);
    const text =
      name === ''
        ? 'null'
        : `case when ${column} is not null then ${wanted(`format('%s', ${column})`, role)} end`;
    return `${text} as ${pg.escapeIdentifier(role)}`;
  });
  return `select tableoid::text as relation, ctid::text as place, ${roles.join(', ')}
    from ${quoteTable(outbox.table)} where tableoid = any ($1::oid[]) and ctid = any ($2::tid[])`;
}
