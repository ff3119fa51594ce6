/**
 * Holds records of relays of other slots of this database until it is known whether the table has their rows, which decides
 * whether they are of this outbox (`../producers.ts`). The rows of a window do not tell: an earlier one may have matched them.
 */
import pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import type { Router } from '../../encode/route.ts';
import type { AuditedRecord } from '../audited.ts';
import { orUnreadable, pageRows, selectEvents, type TableRow } from '../read-table.ts';

export class RecordsOfSiblings {
  #records: AuditedRecord[] = [];

  add(record: AuditedRecord): void {
    this.#records.push(record);
  }

  /** Each look scans the table, so it is for many. */
  get isFull(): boolean {
    return this.#records.length >= pageRows;
  }

  /**
   * Takes them out, each with whether the table has its row now, which routes to its topic.
   * @throws RelayError POSTGRES_*, ROW_UNREADABLE
   */
  async take(
    client: pg.Client,
    config: Config,
    router: Router,
  ): Promise<[record: AuditedRecord, hasRow: boolean][]> {
    const records = this.#records;
    if (records.length === 0) return [];
    this.#records = [];
    const rows = await rowsOf(client, config, [...new Set(records.map(({ id }) => id!))]);
    const places = new Set(
      rows.map(({ id, aggregatetype, type }) => placeOf(id, router.topic(aggregatetype, type))),
    );
    return records.map((record) => [record, places.has(placeOf(record.id!, record.topic))]);
  }
}

async function rowsOf(client: pg.Client, config: Config, ids: readonly string[]): Promise<TableRow[]> {
  const id = `${pg.escapeIdentifier(config.outbox.columns.id)}::text`;
  const find = statement<TableRow>(
    'audit.find_rows',
    'looking for events in the outbox table',
    `${selectEvents(config)} where ${id} = any($1)`,
  );
  try {
    return await query(client, find, [ids]);
  } catch (error) {
    throw orUnreadable(error);
  }
}

/** Names of topics have no blank. */
const placeOf = (id: string, topic: string | undefined): string => `${topic} ${id}`;
