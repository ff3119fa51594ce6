/** Reads single rows of the outbox table, by their places or their ids, and events from dead letters. */
import pg from 'pg';
import type { Config } from '../config/config.ts';
import { ownTable } from '../config/own-table.ts';
import { quoteTable } from '../connect/postgres/quoting.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import type { RowPlace } from './row-places.ts';

/** An event as the stream delivers it: each column in the text of its type. */
export type EventRow = {
  readonly id: string;
  readonly aggregatetype: string | null;
  readonly key: string | null;
  readonly type: string | null;
  readonly payload: string | null;
  readonly headers: string | null;
};

type Row = EventRow & { readonly isLarge: boolean; readonly relation: string; readonly ctid: string };

/** Rows with a larger payload are read one at a time, so that memory holds only one of them. */
const largePayloadBytes = 1_000_000;

export type Times = { readonly fromMs: number; readonly untilMs: number };

export class RowReader {
  readonly #client: pg.Client;
  readonly #config: Config;

  constructor(client: pg.Client, config: Config) {
    this.#client = client;
    this.#config = config;
  }

  /**
   * The rows at these places, without rows that an UPDATE or a rewrite of the table has moved.
   * @param times of the rows, so that Postgres reads few partitions; undefined if they have none
   */
  async at(places: readonly RowPlace[], times: Times | undefined): Promise<EventRow[]> {
    const relations = [...new Set(places.map(({ relation }) => relation))];
    const values: unknown[] = [relations, places.map(({ ctid }) => ctid)];
    let where = 'tableoid = any ($1::oid[]) and ctid = any ($2::tid[])';
    // Only for our own table: the times of another may lack a time zone.
    if (times !== undefined && this.#config.outbox.table === ownTable) {
      where += ` and ${pg.escapeIdentifier(this.#config.outbox.columns.createdAt)}
        between pg_catalog.to_timestamp($3::float8) and pg_catalog.to_timestamp($4::float8)`;
      values.push(times.fromMs / 1_000 - 1, times.untilMs / 1_000 + 1);
    }
    return this.#read(where, values);
  }

  /** All rows with one of these ids. Scans the table once. */
  byId(ids: readonly string[]): Promise<EventRow[]> {
    const { id } = this.#config.outbox.columns;
    return this.#read(`${pg.escapeIdentifier(id)}::text = any ($1)`, [ids]);
  }

  /** What was published of events whose key was released: their dead letters, which somebody may have corrected. */
  released(ids: readonly string[]): Promise<EventRow[]> {
    return query(this.#client, readReleased, [this.#config.slot.name, ids]);
  }

  async #read(where: string, values: readonly unknown[]): Promise<EventRow[]> {
    const rows = await this.#select(where, values, largePayloadBytes);
    const whole: EventRow[] = [];
    for (const row of rows) {
      const { relation, ctid } = row;
      const one = 'tableoid = $1::oid and ctid = $2::tid';
      whole.push(...(row.isLarge ? await this.#select(one, [relation, ctid]) : [row]));
    }
    return whole;
  }

  #select(where: string, values: readonly unknown[], maxBytes?: number): Promise<Row[]> {
    const { table, columns } = this.#config.outbox;
    const payload = sent(columns.payload);
    const isLarge = maxBytes === undefined ? 'false' : `octet_length(${payload}) > ${maxBytes}`;
    const sql = `select ${pg.escapeIdentifier(columns.id)}::text as id, ${sent(columns.aggregateid)} as key,
        ${sent(columns.aggregatetype)} as aggregatetype, ${sent(columns.type)} as type, ${sent(columns.headers)} as headers,
        case when not coalesce(${isLarge}, false) then ${payload} end as payload,
        coalesce(${isLarge}, false) as "isLarge", tableoid::text as relation, ctid::text as ctid
      from ${quoteTable(table)} where ${where}`;
    return query(
      this.#client,
      statement<Row>('audit.read_rows', 'reading rows of the outbox table', sql),
      values,
    );
  }
}

const readReleased = statement<EventRow>(
  'audit.read_released_letters',
  'reading dead letters',
  `select event_id as id, aggregatetype, aggregateid as key, type, payload, headers from outbox.dead_letter
    where slot = $1 and status = 'released' and event_id = any ($2)`,
);

/** As the type prints it, which is what the stream sends. For some types a cast to text differs. */
function sent(column: string): string {
  if (column === '') return 'null::text';
  const name = pg.escapeIdentifier(column);
  return `case when ${name} is not null then pg_catalog.format('%s', ${name}) end`;
}
