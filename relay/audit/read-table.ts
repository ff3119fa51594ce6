/**
 * Reads the audit's side of Postgres: one snapshot of the outbox table, the dead letters, and a second look at single
 * events. Rows come through a server-side cursor, so memory does not grow with the table.
 */
import pg from 'pg';
import { isUnreadable } from '../capture/unreadable.ts';
import type { Config } from '../config/config.ts';
import { openClient } from '../connect/postgres/client.ts';
import { pages } from '../connect/postgres/cursor.ts';
import { sqlStateOf } from '../connect/postgres/errors.ts';
import { quoteTable } from '../connect/postgres/quoting.ts';
import { assertRowsShown, assertRowsShownNow } from '../connect/postgres/rows-shown.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { readOnly } from '../connect/postgres/transaction.ts';
import { RelayError } from '../errors.ts';
import { type Lsn, parseLsn } from '../model/position.ts';

/** Rows of one page: some 2 MB in the driver, and few round trips. */
export const pageRows = 10_000;

/** For scans of the whole table; `database.statementTimeoutMs` is meant for bookkeeping. */
const scanTimeoutMs = 600_000;

export type TableRow = {
  readonly id: string;
  readonly aggregatetype: string;
  readonly type: string;
  /** null if no such column is configured. */
  readonly createdAtMs: number | null;
  /** Its place. */
  readonly relation: string;
  readonly ctid: string;
  /** Number of the transaction that wrote it, of 32 bits. */
  readonly xid: string;
};

type Row = Omit<TableRow, 'id'> & { readonly id: string | null };

export type TableSnapshot = {
  /** WAL insert position within the snapshot: every transaction that the snapshot shows committed below it. */
  readonly lsn: Lsn;
  /** Clock of the database, ms since 1970. */
  readonly atMs: number;
  readonly systemIdentifier: string;
  /** The first transaction number that the snapshot does not show. */
  readonly xmax: bigint;
  /** Ids of the transactions in which the snapshot shows dead letters as resubmitted. */
  readonly resubmissions: ReadonlySet<string>;
};

/** A connection for the audit; it never writes. @throws RelayError POSTGRES_* */
export function connectForAudit(config: Config): Promise<pg.Client> {
  return openClient(config, 'outbox-relay verify', scanTimeoutMs);
}

/**
 * Opens a snapshot, passes on every event in it and closes it.
 * @param onSnapshot called before the first rows
 * @returns how many rows have no id; these are left out
 */
export async function readTable(
  client: pg.Client,
  config: Config,
  onSnapshot: (snapshot: TableSnapshot) => void | Promise<void>,
  onRows: (rows: readonly TableRow[]) => void,
): Promise<number> {
  try {
    return await readOnly(client, 'opening a snapshot', 'repeatable read', async () => {
      await onSnapshot(await readSnapshot(client, config.slot.name));
      let withoutId = 0;
      const events = statement<Row>('audit.read_events', 'reading the outbox table', selectEvents(config));
      for await (const rows of pages(client, events, [], pageRows)) {
        const withId = rows.filter((row): row is TableRow => row.id !== null);
        withoutId += rows.length - withId.length;
        if (withId.length > 0) onRows(withId);
      }
      await assertRowsShownNow(config, [config.outbox.table, 'outbox.dead_letter']);
      return withoutId;
    });
  } catch (error) {
    throw orUnreadable(error);
  }
}

/** The error, or what it means where a row was read. */
export function orUnreadable(error: unknown): unknown {
  if (!(error instanceof RelayError) || !isUnreadable(sqlStateOf(error))) return error;
  return new RelayError(
    'ROW_UNREADABLE',
    `a row of the outbox table cannot be read, so the comparison stops without a result; delete the row once it is dead-lettered: ${error.message}`,
    { cause: error },
  );
}

/** The first statement of the transaction. It takes the snapshot before it evaluates the position. */
async function readSnapshot(client: pg.Client, slot: string): Promise<TableSnapshot> {
  const rows = await query(client, readPosition);
  const { lsn, xmax, ...rest } = rows[0]!;
  // By transaction, not by the range of ids in the snapshot, which does not distinguish a savepoint from a running transaction.
  const resubmissions = await query(client, readResubmissions, [slot]);
  return {
    lsn: parseLsn(lsn),
    xmax: BigInt(xmax),
    resubmissions: new Set(resubmissions.map(({ xid }) => xid)),
    ...rest,
  };
}

const readPosition = statement<
  Omit<TableSnapshot, 'lsn' | 'xmax' | 'resubmissions'> & { lsn: string; xmax: string }
>(
  'audit.read_position',
  'reading the WAL position',
  `select pg_current_wal_insert_lsn()::text as lsn, pg_snapshot_xmax(pg_current_snapshot())::text as xmax,
    (extract(epoch from clock_timestamp()) * 1000)::float8 as "atMs",
    (select system_identifier::text from pg_control_system()) as "systemIdentifier"`,
);

const readResubmissions = statement<{ xid: string }>(
  'audit.read_resubmissions',
  'reading the dead letters',
  `select distinct xmin::text as xid from outbox.dead_letter where slot = $1 and status = 'resubmitted'`,
);

export function selectEvents({ outbox }: Pick<Config, 'outbox'>): string {
  const { id, aggregatetype, type, createdAt } = outbox.columns;
  const column = pg.escapeIdentifier;
  const createdAtMs = createdAt === '' ? 'null' : `(extract(epoch from ${column(createdAt)}) * 1000)::float8`;
  return `select ${column(id)}::text as id, coalesce(${column(aggregatetype)}::text, '') as aggregatetype,
      coalesce(${column(type)}::text, '') as type, ${createdAtMs} as "createdAtMs",
      tableoid::text as relation, ctid::text as ctid, xmin::text as xid
    from ${quoteTable(outbox.table)}`;
}

export type AuditedLetter = {
  readonly id: string;
  readonly status: string;
  /**
   * Commit LSN of the release that published it, if one did, as Postgres prints it. 0/0 for a release in the cluster that
   * the database was in before: every position of this cluster is later.
   */
  readonly releasedLsn: string;
  /** Whether it was resubmitted and the snapshot does not show that. */
  readonly isSinceSnapshot: boolean;
  /** Of its event, as Postgres prints it; null if it is of another cluster. */
  readonly commitLsn: string | null;
  /** Whether its event is nowhere else: it was neither resubmitted nor released. */
  readonly accounts: boolean;
};

type LetterRow = Omit<AuditedLetter, 'isSinceSnapshot'> & { readonly xid: string };

/** Dead letters of this slot that name an event. */
export async function readDeadLetters(
  client: pg.Client,
  config: Config,
  { systemIdentifier, resubmissions }: Pick<TableSnapshot, 'systemIdentifier' | 'resubmissions'>,
  onRows: (rows: readonly AuditedLetter[]) => void,
): Promise<void> {
  await readOnly(client, readLetters.doing, 'read committed', async () => {
    for await (const rows of pages(client, readLetters, [config.slot.name, systemIdentifier], pageRows))
      onRows(rows.map(({ xid, ...letter }) => ({ ...letter, isSinceSnapshot: !resubmissions.has(xid) })));
    await assertRowsShown(client, config, ['outbox.dead_letter']);
  });
}

const readLetters = statement<LetterRow>(
  'audit.read_letters',
  'reading the dead letters',
  `select event_id::text as id, status,
      (case when system_identifier = $2 and released_lsn is not null then released_lsn else '0/0' end)::text
        as "releasedLsn", xmin::text as xid,
      case when system_identifier = $2 then commit_lsn::text end as "commitLsn",
      status not in ('resubmitted', 'released') as accounts
    from outbox.dead_letter where slot = $1 and event_id is not null`,
);

/** Passes on the ids that the table has now. Scans the table once per 10,000 ids. */
export async function findEvents(
  client: pg.Client,
  config: Config,
  ids: Iterable<string>,
  onFound: (id: string) => void,
): Promise<void> {
  const id = `${pg.escapeIdentifier(config.outbox.columns.id)}::text`;
  const find = statement<{ id: string }>(
    'audit.find_events',
    'looking for events in the outbox table',
    `select distinct ${id} as id from ${quoteTable(config.outbox.table)} where ${id} = any($1)`,
  );
  const look = async (some: readonly string[]) => {
    for (const row of await query(client, find, [some])) onFound(row.id);
  };
  let some: string[] = [];
  for (const each of ids) {
    some.push(each);
    if (some.length < pageRows) continue;
    await look(some);
    some = [];
  }
  if (some.length > 0) await look(some);
}
