/**
 * Reads the rows of the outbox table in one snapshot: as they come, and in the order of publishing. Postgres sorts, and
 * keeps what it sorts on its disk (a cursor that can go back), so the memory of neither grows with the rows. The transaction
 * reads only, which sorting does not change: it needs neither the right to make temporary tables nor a transaction number,
 * and no slot waits for it.
 */
import pg from 'pg';
import type { Config } from '../config/config.ts';
import { pages } from '../connect/postgres/cursor.ts';
import { quoteTable } from '../connect/postgres/quoting.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { latestFirst, publishingOrder } from './order.ts';
import {
  fromPlaces,
  idOfDigest,
  nameOf,
  type Role,
  readApart,
  readColumns,
  readDigest,
  type TablePlace,
  valuesOf,
} from './unreadable.ts';

/** Rows per round trip: some 2 MB in the driver. */
const pageRows = 2_000;

/** What a sort may take of the server's memory before it goes to its disk, unless the server allows more anyway. */
const sortMemoryKb = 64 * 1024;

export type TableRow = {
  id: string | null;
  aggregatetype: string;
  type: string;
  key: string | null;
  relation: string;
  place: string;
  xid: string;
  xidAge: number;
  command: string;
  createdUs: string | null;
  committedUs: string | null;
};

export type SortedRow = TableRow & {
  /** How many of the rows have its id. */
  copies: string;
};

export type RowsOptions = {
  readonly config: Config;
  /** Has a repeatable read transaction open. */
  readonly client: pg.Client;
  readonly hasCommitTimes: boolean;
  /** A name that is not text would end a read of many rows: so the places are read first, and then what can be read. */
  readonly isEachNameApart: boolean;
};

/** Every row, in any order. @throws RelayError POSTGRES_* */
export async function* readRows(options: RowsOptions): AsyncGenerator<TableRow[]> {
  const { config, client, hasCommitTimes } = options;
  const sql = `select ${namesOf(options)} tableoid::text as relation, ctid::text as place, xmin::text as xid,
      age(xmin) as "xidAge", cmin::text as command, (${createdUs(config)})::text as "createdUs",
      (${committedUs(hasCommitTimes)})::text as "committedUs"
    from ${quoteTable(config.outbox.table)}`;
  const select = statement<TableRow>('recover.read_events', 'reading the outbox table', sql);
  for await (const rows of pages(client, select, [], pageRows)) yield await named(options, rows);
}

/** The rows that have an id, of each id only the latest, in the order of publishing. One at a time in a transaction. */
export class SortedRows {
  readonly #options: RowsOptions;

  private constructor(options: RowsOptions) {
    this.#options = options;
  }

  /**
   * @param fromUs leaves out the rows whose time is before it, µs since 1970; null for none
   * @throws RelayError POSTGRES_*
   */
  static async open(options: RowsOptions, fromUs: bigint | null): Promise<SortedRows> {
    const { client } = options;
    await query(client, setSortMemory, [sortMemoryKb]);
    await query(client, statement('recover.sort_events', sorting, sortedRows(options)), [fromUs]);
    await query(client, sortNow);
    return new SortedRows(options);
  }

  /** From the beginning, each time. @throws RelayError POSTGRES_* */
  async *pages(): AsyncGenerator<SortedRow[]> {
    const { client } = this.#options;
    await query(client, toBeginning);
    for (;;) {
      const rows = await query(client, fetchPage);
      if (rows.length > 0) yield await named(this.#options, rows);
      if (rows.length < pageRows) return;
    }
  }
}

const sorting = 'sorting the outbox table';

const setSortMemory = statement(
  'recover.set_sort_memory',
  sorting,
  `select set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')) / 1024, $1::bigint)::text, true)`,
);
const sortNow = statement('recover.sort_now', sorting, 'move next in sorted_events');
const toBeginning = statement('recover.read_sorted_again', sorting, 'move absolute 0 in sorted_events');
const fetchPage = statement<SortedRow>(
  'recover.fetch_sorted',
  sorting,
  `fetch ${pageRows} from sorted_events`,
);

function sortedRows(options: RowsOptions): string {
  const { config, hasCommitTimes, isEachNameApart } = options;
  const names = isEachNameApart ? '' : 'id, aggregatetype, type, key,';
  // As text and byte by byte, since that is what tells two events apart: a collation may take different ids for equal.
  const eventId = `${pg.escapeIdentifier(config.outbox.columns.id)}::text collate "C"`;
  return `declare sorted_events scroll cursor for
    select ${names} relation::text as relation, place::text as place, xid::text as xid, xid_age as "xidAge",
        command::text as command, created_us::text as "createdUs", committed_us::text as "committedUs", copies
      from (
        select *, row_number() over (partition by event_id order by ${latestFirst}) as nth,
            count(*) over (partition by event_id) as copies
          from (
            select ${namesOf(options)} ${eventId} as event_id, tableoid as relation, ctid as place, xmin as xid,
                age(xmin) as xid_age, cmin::text::bigint as command, ${createdUs(config)} as created_us,
                ${committedUs(hasCommitTimes)} as committed_us
              from ${quoteTable(config.outbox.table)}
             where ${pg.escapeIdentifier(config.outbox.columns.id)} is not null
          ) as row
         where $1::numeric is null or coalesce(committed_us, created_us) is null
            or coalesce(committed_us, created_us) >= $1::numeric
      ) as numbered
     where nth = 1
     order by ${publishingOrder}`;
}

/** The application may write any time. An infinite one counts as none, and the latest ones do not fit a bigint. */
const us = (time: string) =>
  `case when isfinite(${time}) then trunc(extract(epoch from ${time}) * 1000000) end`;

function createdUs({ outbox: { columns } }: Config): string {
  return columns.createdAt === '' ? 'null::numeric' : us(pg.escapeIdentifier(columns.createdAt));
}

function committedUs(hasCommitTimes: boolean): string {
  return hasCommitTimes ? us('pg_xact_commit_timestamp(xmin)') : 'null::numeric';
}

/** Ends with a comma. */
function namesOf({ config, isEachNameApart }: Pick<RowsOptions, 'config' | 'isEachNameApart'>): string {
  if (isEachNameApart) return '';
  const { id, aggregatetype, aggregateid, type } = config.outbox.columns;
  const column = pg.escapeIdentifier;
  return `${column(id)}::text as id, coalesce(${column(aggregatetype)}::text, '') as aggregatetype,
    coalesce(${column(type)}::text, '') as type, ${column(aggregateid)}::text as key,`;
}

type Names = Pick<TableRow, 'id' | 'aggregatetype' | 'type' | 'key'>;

/** Leaves out what cannot be read, and puts a digest in place of an unreadable id. */
async function named<Row extends TableRow>(
  { config, client, isEachNameApart }: RowsOptions,
  rows: readonly Row[],
): Promise<Row[]> {
  if (!isEachNameApart) return [...rows];
  const columns = namesOf({ config, isEachNameApart: false });
  const sql = `select ${columns} tableoid::text as relation, ctid::text as place ${fromPlaces(config)}`;
  const select = statement<Names & TablePlace>('recover.read_names', 'reading names', sql);
  const names = new Map<string, Names>();
  const read = async (some: readonly TablePlace[]) => {
    for (const row of await query(client, select, valuesOf(some))) names.set(nameOf(row), row);
  };
  for (const place of await readApart(client, rows, read)) {
    const row = await readColumns(config, client, place, (column, role) => (isName(role) ? column : 'null'));
    const id = row.id ?? (await readDigest(config, client, place));
    names.set(nameOf(place), {
      id: row.id === null && id !== null ? idOfDigest(id) : id,
      aggregatetype: row.aggregatetype ?? '',
      type: row.type ?? '',
      key: row.aggregateid,
    });
  }
  return rows.map((row) => ({ ...row, ...names.get(nameOf(row)) }));
}

const isName = (role: Role) => role !== 'payload' && role !== 'headers' && role !== 'createdAt';
