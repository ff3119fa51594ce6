/**
 * Reads Postgres' side of a window: the rows that its snapshot shows and no earlier window has counted, single events, and
 * dead letters.
 */
import pg from 'pg';
import type { Config } from '../../config/config.ts';
import { pages } from '../../connect/postgres/cursor.ts';
import { quoteTable } from '../../connect/postgres/quoting.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { parseSnapshot, wholeXid } from '../../model/pg-snapshot.ts';
import { type Lsn, parseLsn } from '../../model/position.ts';
import { orUnreadable, selectEvents, type TableRow } from '../read-table.ts';
import type { AuditState } from './audit-state.ts';
import { CountedXids } from './counted-xids.ts';

/** Of one page: some 1 MB in the driver. */
const pageRows = 5_000;

/** Savepoints are few, but nothing limits them. Rows of more transactions stay left out as far as cleanup knows. */
export const besidesMost = 100_000;

/** Postgres compares ages up to here. */
const ageMost = 2n ** 31n;

export type WindowSnapshot = {
  /** As Postgres prints it. */
  readonly text: string;
  /** WAL insert position within the snapshot: every transaction that it shows committed below it. */
  readonly lsn: Lsn;
  /** Clock of the database, ms since 1970. */
  readonly atMs: number;
};

/** The identity of what is audited. If it changes, nothing that was counted means anything. */
export type Home = {
  readonly systemIdentifier: string;
  readonly databaseOid: string;
  readonly outboxTable: string;
};

export async function readHome(client: pg.ClientBase, { outbox }: Config): Promise<Home> {
  const [row] = await query(client, readIdentity);
  return { ...row!, outboxTable: outbox.table };
}

const readIdentity = statement<Omit<Home, 'outboxTable'>>(
  'audit.read_identity',
  'reading the identity of the database',
  `select system_identifier::text as "systemIdentifier",
      (select oid::text from pg_database where datname = current_database()) as "databaseOid"
    from pg_control_system()`,
);

/** The first statement of a repeatable-read transaction. */
export async function openWindow(client: pg.ClientBase): Promise<WindowSnapshot> {
  const [row] = await query(client, readSnapshot);
  // A transaction without work on the server must live as long as the window takes.
  await query(client, stayOpen);
  return { text: row!.text, lsn: parseLsn(row!.lsn), atMs: row!.atMs };
}

const readSnapshot = statement<{ text: string; lsn: string; atMs: number }>(
  'audit.open_window',
  'opening a snapshot',
  `select pg_current_snapshot()::text as text, pg_current_wal_insert_lsn()::text as lsn,
      (extract(epoch from clock_timestamp()) * 1000)::float8 as "atMs"`,
);

const stayOpen = statement(
  'audit.stay_open',
  'opening a snapshot',
  `select set_config('idle_in_transaction_session_timeout', '0', true), set_config('synchronize_seqscans', 'off', true)`,
);

/**
 * The rows of the window, in the order of the table, and which transactions are counted after it. Scans the table; the
 * server compares numbers only, at some ten million rows a second and core, and sends the rows of the window.
 * @param before what earlier windows have counted, or the audit left out; undefined: nothing
 */
export class WindowRows {
  readonly #client: pg.ClientBase;
  readonly #config: Config;
  readonly #before: CountedXids | undefined;
  readonly #beginsXid: bigint;
  readonly #snapshot: ReturnType<typeof parseSnapshot>;
  readonly counted: CountedXids;
  /** Transactions of the window that had begun when the audit did, and had not ended. */
  readonly besides = new Set<bigint>();
  withoutId = 0;

  constructor(
    client: pg.ClientBase,
    config: Config,
    snapshot: string,
    before: Pick<AuditState, 'counted' | 'beginsXid'> | undefined,
  ) {
    this.#client = client;
    this.#config = config;
    this.#before = before?.counted;
    this.#beginsXid = before?.beginsXid ?? 0n;
    this.#snapshot = parseSnapshot(snapshot);
    this.counted = this.#before?.from(this.#snapshot.xmin) ?? new CountedXids(this.#snapshot.xmin);
  }

  async *pages(): AsyncGenerator<TableRow[]> {
    const { xmax } = this.#snapshot;
    let where = '';
    if (this.#before !== undefined && xmax - this.#before.base < ageMost) {
      // As a number, it is computed once and not for each row.
      const [row] = await query(this.#client, readAge, [String(BigInt.asUintN(32, this.#before.base))]);
      where = ` where age(xmin) between 0 and ${row!.age}`;
    }
    const text = `${selectEvents(this.#config)}${where}`;
    const events = statement<Omit<TableRow, 'id'> & { id: string | null }>(
      'audit.read_window',
      'reading the outbox table',
      text,
    );
    try {
      for await (const rows of pages(this.#client, events, [], pageRows)) {
        const own: TableRow[] = [];
        for (const { id, ...row } of rows) {
          const xid = wholeXid(row.xid, xmax);
          if (this.#before?.has(xid)) continue;
          this.counted.add(xid);
          if (xid < this.#beginsXid && this.besides.size < besidesMost) this.besides.add(xid);
          if (id === null) this.withoutId += 1;
          else own.push({ ...row, id });
        }
        if (own.length > 0) yield own;
      }
    } catch (error) {
      throw orUnreadable(error);
    }
  }

  /** How many rows of the window have each of these ids. Scans the table. */
  async count(ids: readonly string[]): Promise<Map<string, number>> {
    const id = `${pg.escapeIdentifier(this.#config.outbox.columns.id)}::text`;
    const rows = statement<{ id: string; xid: string }>(
      'audit.count_rows_of_window',
      'reading the outbox table',
      `select ${id} as id, xmin::text as xid from ${quoteTable(this.#config.outbox.table)} where ${id} = any ($1)`,
    );
    const counts = new Map<string, number>();
    for (const row of await query(this.#client, rows, [ids]))
      if (this.#before?.has(wholeXid(row.xid, this.#snapshot.xmax)) !== true)
        counts.set(row.id, (counts.get(row.id) ?? 0) + 1);
    return counts;
  }
}

const readAge = statement<{ age: number }>(
  'audit.read_age',
  'reading the outbox table',
  'select age($1::text::xid) as age',
);

/** When the oldest row was written that is left; Infinity if there is none. Scans the table. */
export async function oldestRowMs(client: pg.ClientBase, { outbox }: Config): Promise<number | undefined> {
  if (outbox.columns.createdAt === '') return undefined;
  const column = pg.escapeIdentifier(outbox.columns.createdAt);
  const oldest = statement<{ atMs: number | null }>(
    'audit.read_oldest',
    'reading the outbox table',
    `select (extract(epoch from min(${column})) * 1000)::float8 as "atMs" from ${quoteTable(outbox.table)}`,
  );
  const [row] = await query(client, oldest);
  return row?.atMs ?? Number.POSITIVE_INFINITY;
}

export type Letter = {
  readonly id: string;
  readonly topic: string | null;
  readonly status: string;
  readonly commitLsn: string;
  readonly ordinal: string;
  readonly releasedLsn: string | null;
  readonly systemIdentifier: string;
};

const letterColumns = `event_id as id, topic, status, commit_lsn::text as "commitLsn", ordinal::text as ordinal,
  released_lsn::text as "releasedLsn", system_identifier as "systemIdentifier"`;

/** Dead letters of these events, as they are now. */
export async function lettersOf(
  client: pg.ClientBase,
  { slot }: Config,
  ids: readonly string[],
): Promise<Letter[]> {
  return query(client, readLettersOf, [slot.name, ids]);
}

const readLettersOf = statement<Letter>(
  'audit.read_letters_of',
  'reading the dead letters',
  `select ${letterColumns} from outbox.dead_letter where slot = $1 and event_id = any ($2::text[])`,
);

/** Dead letters whose event was refused at positions from `fromLsn` on, and below `untilLsn`. */
export async function* lettersBetween(
  client: pg.ClientBase,
  config: Config,
  { systemIdentifier, fromLsn, untilLsn }: { systemIdentifier: string; fromLsn: string; untilLsn: string },
): AsyncGenerator<Letter[]> {
  yield* pages(client, readLettersBetween, [config.slot.name, systemIdentifier, fromLsn, untilLsn], pageRows);
}

const readLettersBetween = statement<Letter>(
  'audit.read_letters_between',
  'reading the dead letters',
  `select ${letterColumns} from outbox.dead_letter
    where slot = $1 and system_identifier = $2 and event_id is not null and commit_lsn >= $3 and commit_lsn < $4`,
);

/** Dead letters that were refused below `fromLsn` and released from there on, below `untilLsn`. */
export function releasesBetween(
  client: pg.ClientBase,
  config: Config,
  { systemIdentifier, fromLsn, untilLsn }: { systemIdentifier: string; fromLsn: string; untilLsn: string },
): Promise<Letter[]> {
  return query(client, readReleases, [config.slot.name, systemIdentifier, fromLsn, untilLsn]);
}

const readReleases = statement<Letter>(
  'audit.read_releases',
  'reading the dead letters',
  `select ${letterColumns} from outbox.dead_letter
    where slot = $1 and system_identifier = $2 and event_id is not null and status = 'released'
      and commit_lsn < $3 and released_lsn >= $3 and released_lsn < $4`,
);

/** What could give rows of earlier windows the number of a later transaction. */
export type Rewrites = {
  /** Whether a trigger refuses updates, on each partition too. */
  readonly isGuarded: boolean;
  /** Transactions that last altered a table of the outbox, and may have rewritten it, as Postgres prints them. */
  readonly altering: readonly string[];
};

export async function findRewrites(client: pg.ClientBase, { outbox }: Config): Promise<Rewrites> {
  const [row] = await query(client, readRewrites, [quoteTable(outbox.table)]);
  return { isGuarded: row?.isGuarded ?? false, altering: row?.altering ?? [] };
}

const readRewrites = statement<{ isGuarded: boolean | null; altering: string[] | null }>(
  'audit.find_rewrites',
  'reading the triggers of the outbox table',
  `select bool_and(exists (select from pg_trigger g where g.tgrelid = c.oid and g.tgenabled in ('O', 'A')
                            and g.tgtype & 19 = 19)) as "isGuarded",
      array_agg(distinct c.xmin::text) as altering
    from pg_class c where c.relkind = 'r' and (c.oid = to_regclass($1)
      or c.oid in (select relid from pg_partition_tree(to_regclass($1)) where isleaf))`,
);
