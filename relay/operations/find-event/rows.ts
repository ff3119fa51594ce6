/** Finds rows of the outbox table. It may have no index, so a search can read all of it: it has a limit of time. */
import pg from 'pg';
import type { Config } from '../../config/config.ts';
import { sqlStateOf } from '../../connect/postgres/errors.ts';
import { quoteTable } from '../../connect/postgres/quoting.ts';
import { assertRowsShown } from '../../connect/postgres/rows-shown.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { readOnly } from '../../connect/postgres/transaction.ts';
import { Router } from '../../encode/route.ts';
import { RequestInvalid } from '../../errors.ts';
import { readSnapshots, type Snapshots } from '../../ledger/snapshots.ts';
import { parseSnapshot, visibility, wholeXid } from '../../model/pg-snapshot.ts';
import type { Cursor, FoundRow, RowContents, Wanted } from './found.ts';

export type RowsFound = {
  readonly rows: readonly FoundRow[];
  /** Where the next ones begin; null where there are none. */
  readonly next: RowCursor | null;
  readonly nowMs: number;
};

export type RowCursor = Extract<Cursor, { part: 'rows' }>;

/** By one column; the newest first. */
export type RowQuery = {
  readonly column: 'id' | 'aggregateid' | 'type';
  readonly values: readonly string[];
  readonly since: Date | null;
  readonly until: Date | null;
  readonly limit: number;
  /** Only those behind it. */
  readonly after: RowCursor | null;
  /** Whether payloads and headers are read. */
  readonly hasContents: boolean;
};

/** What a page shows of a payload, and more than most records of Kafka may hold. */
export const contentBytesMax = 1_048_576;

export function rowQueryOf(
  { by, since, until }: Wanted,
  rest: Pick<RowQuery, 'limit' | 'after' | 'hasContents'>,
): RowQuery | undefined {
  const narrowed = { since, until, ...rest };
  if (by.kind === 'id') return { column: 'id', values: [by.id], ...narrowed };
  if (by.kind === 'key') return { column: 'aggregateid', values: [by.key], ...narrowed };
  if (by.kind === 'type') return { column: 'type', values: [by.type], ...narrowed };
  return undefined;
}

/** @throws RelayError POSTGRES_*, POSTGRES_ROWS_HIDDEN where row-level security may hide rows */
export async function findRows(client: pg.ClientBase, config: Config, wanted: RowQuery): Promise<RowsFound> {
  const [facts] = await query(client, readFacts);
  const { tracks, xmax, system, nowMs } = facts!;
  const rows = await readOnly(client, doing, 'read committed', async () => {
    const found = await select(client, config, wanted, tracks);
    await assertRowsShown(client, config, [config.outbox.table]);
    return found;
  }).catch((error: unknown) => {
    // No value of the column can be that: text that is no uuid, a number that is too large.
    if (!/^22(P02|003)$/.test(sqlStateOf(error) ?? '')) throw error;
    return [];
  });
  const snapshots = await readSnapshots(client, { slot: config.slot.name, systemIdentifier: system });
  const router = new Router(config);
  const progressOf = progressBy(snapshots, BigInt(xmax));
  const last = rows.length > wanted.limit ? rows[wanted.limit - 1] : undefined;
  return {
    nowMs,
    next: last === undefined ? null : { part: 'rows', createdAt: last.writtenAt, id: last.id },
    rows: rows.slice(0, wanted.limit).map(({ writtenAt: _, ...row }) => ({
      ...row,
      // `created_at` is the application's, and may be ahead.
      fromMs: fromMsOf(row, progressOf(row.xid), snapshots.coveredMs),
      topic: row.aggregatetype === null ? null : (router.topic(row.aggregatetype, row.type) ?? null),
      progress: progressOf(row.xid),
    })),
  };
}

function fromMsOf(
  { committedAt, createdAt }: Pick<SelectedRow, 'committedAt' | 'createdAt'>,
  progress: FoundRow['progress'],
  coveredMs: number | null,
): number | null {
  if (committedAt !== null) return Date.parse(committedAt);
  // It was committed after the snapshot that does not show it.
  if (progress === 'later' && coveredMs !== null) return Math.floor(coveredMs);
  return createdAt === null ? null : Date.parse(createdAt);
}

/** Numbers in rows have 32 bits and come again; as `Origins` of the audit, it says nothing where that matters. */
const xidsPerEpoch = 1n << 32n;

function progressBy({ first, covered }: Snapshots, xmax: bigint): (xid: string) => FoundRow['progress'] {
  const before = first === null ? undefined : parseSnapshot(first);
  const published = covered === null ? undefined : parseSnapshot(covered);
  return (text) => {
    const xid = wholeXid(text, xmax);
    if (before !== undefined && visibility(xid, before) === 'visible') return 'before';
    const inCovered = published === undefined ? 'hidden' : visibility(xid, published);
    const isStreamed = before !== undefined && xid < xidsPerEpoch && visibility(xid, before) === 'hidden';
    if (inCovered === 'hidden' && (isStreamed || published !== undefined)) return 'later';
    return inCovered === 'visible' && isStreamed ? 'covered' : null;
  };
}

const readFacts = statement<{ tracks: boolean; xmax: string; system: string; nowMs: number }>(
  'operations.read_find_facts',
  'reading what Postgres knows of transactions',
  `select current_setting('track_commit_timestamp') = 'on' as tracks,
          pg_snapshot_xmax(pg_current_snapshot())::text as xmax,
          (select system_identifier::text from pg_control_system()) as system,
          (extract(epoch from clock_timestamp()) * 1000)::float8 as "nowMs"`,
);

type SelectedRow = Omit<FoundRow, 'topic' | 'progress' | 'fromMs'> & {
  /** As `createdAt`, with all its digits. */
  readonly writtenAt: string | null;
};

type PrintedRow = Omit<SelectedRow, 'contents' | 'createdAt'> &
  Omit<RowContents, 'isLeftOut'> & { isLeftOut: boolean };

async function select(
  client: pg.ClientBase,
  { outbox: { table, columns } }: Config,
  { column, values, since, until, limit, after, hasContents }: RowQuery,
  tracks: boolean,
): Promise<SelectedRow[]> {
  const name = (role: keyof typeof columns) => pg.escapeIdentifier(columns[role]);
  const createdAt = columns.createdAt === '' ? null : name('createdAt');
  const bound: unknown[] = [values];
  const parts: string[] = [];
  const time = (operator: string, at: Date | null) => {
    if (at === null) return;
    if (createdAt === null)
      throw new RequestInvalid('the outbox table has no column of the time, so none can be given');
    parts.push(`${createdAt} ${operator} $${bound.push(at)}`);
  };
  time('>=', since);
  time('<', until);
  // By the type of the column, so that an index of it counts.
  const type = await typeOf(client, table, columns[column]);
  if (after !== null)
    parts.push(behind(after, createdAt, name('id'), await typeOf(client, table, columns.id), bound));
  const bytes = `coalesce(octet_length(${name('payload')}::text), 0)${columns.headers === '' ? '' : ` + coalesce(octet_length(${name('headers')}::text), 0)`}`;
  const isShown = hasContents ? `${bytes} <= ${contentBytesMax}` : 'false';
  const content = (role: 'payload' | 'headers') =>
    columns[role] === '' ? 'null' : `case when ${isShown} then ${name(role)}::text end`;
  const text = `select ${name('id')}::text as id, ${name('aggregatetype')}::text as aggregatetype,
      ${name('aggregateid')}::text as key, ${name('type')}::text as type,
      ${createdAt === null ? 'null' : `to_json(${createdAt} at time zone 'UTC') #>> '{}'`} as "writtenAt",
      tableoid::regclass::text as "table", xmin::text as xid,
      ${tracks ? `to_json(pg_xact_commit_timestamp(xmin) at time zone 'UTC') #>> '{}'` : 'null'} as "committedAt",
      octet_length(${name('payload')}::text) as "payloadBytes",
      ${content('payload')} as payload, ${content('headers')} as headers, not (${isShown}) as "isLeftOut"
    from ${quoteTable(table)}
    where ${[`${name(column)} = any ($1::${type}[])`, ...parts].join(' and ')}
    order by ${createdAt === null ? '' : `${createdAt} desc nulls last, `}${name('id')} desc limit ${limit + 1}`;
  const rows = await query(client, statement<PrintedRow>('operations.find_rows', doing, text), bound);
  return rows.map(({ payload, headers, isLeftOut, ...row }) => ({
    ...row,
    createdAt: utc(row.writtenAt),
    committedAt: utc(row.committedAt),
    contents: hasContents ? { payload, headers, isLeftOut } : null,
  }));
}

/** In the order of `select`: those without a time are the last ones. */
function behind(
  after: RowCursor,
  createdAt: string | null,
  id: string,
  idType: string,
  bound: unknown[],
): string {
  const isSmaller = `${id} < $${bound.push(after.id)}::${idType}`;
  if (createdAt === null) return isSmaller;
  if (after.createdAt === null) return `(${createdAt} is null and ${isSmaller})`;
  const at = `($${bound.push(after.createdAt)}::timestamp at time zone 'UTC')`;
  return `(${createdAt} < ${at} or (${createdAt} = ${at} and ${isSmaller}) or ${createdAt} is null)`;
}

const doing = 'looking for the event in the outbox table';

/** @returns null also for `infinity`, and for years that no clock shows: a row with such a time is found all the same */
function utc(text: string | null): string | null {
  const time = new Date(`${text}Z`);
  return text === null || Number.isNaN(time.getTime()) ? null : time.toISOString();
}

async function typeOf(client: pg.ClientBase, table: string, column: string): Promise<string> {
  const [row] = await query(client, readType, [quoteTable(table), column]);
  return row?.type ?? 'text';
}

const readType = statement<{ type: string }>(
  'operations.read_column_type',
  'reading the columns of the outbox table',
  `select format_type(atttypid, -1) as type from pg_attribute
    where attrelid = to_regclass($1) and attname = $2 and not attisdropped`,
);
