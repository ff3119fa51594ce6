/**
 * Owns the statements that remove what is published from the outbox table. What proves that a row may go is in the
 * database (migrations/0020_cleanup.sql, 0022_audit_beginning.sql); nothing here decides it. Promise: no row goes before it is published on every slot.
 */
import pg from 'pg';
import type { Config } from '../config/config.ts';
import { ownTable } from '../config/own-table.ts';
import { quoteTable } from '../connect/postgres/quoting.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { type Client, query, statement } from '../connect/postgres/statement.ts';
import { inTransaction, transaction, withPooled } from '../connect/postgres/transaction.ts';
import { RelayError } from '../errors.ts';

/** What the outbox consists of: a partition, or the table where it has none. */
export type Piece = {
  /** `schema.table` */
  readonly name: string;
  readonly oid: number;
  /** `drop`: a partition by range of outbox.event. `delete`: its default one, or any table of others. `none`: neither. */
  readonly way: 'drop' | 'delete' | 'none';
  readonly isDefault: boolean;
  /** Whether a trigger keeps rows from being updated. An update would hide when a row was written. */
  readonly isGuarded: boolean;
  /** No row of a partition is younger, ms since 1970; null if its bounds do not say. */
  readonly untilMs: number | null;
  /** With its TOAST table. */
  readonly bytes: number;
  /** As Postgres estimates them. */
  readonly estimatedRows: number;
  readonly blocks: number;
};

/** How many rows of some pages stay, and why. A row can count more than once. */
export type Judged = {
  readonly allRows: number;
  /** Younger than the retention. */
  readonly young: number;
  /** Not published on every slot, as far as the slots' snapshots show. */
  readonly uncovered: number;
  /** Nobody can know: see `cleanup.unproven`. */
  readonly unproven: number;
  /** Not compared by the standing audit, or it misses an event; where `cleanup.requireVerified` asks for that. */
  readonly unverified: number;
  /** Of these, the ones that the audit will never compare. */
  readonly leftOut: number;
  /** Of a dead letter that is open or parked, or whose release can still be undone. */
  readonly waiting: number;
  readonly removable: number;
  /** `created_at` of the oldest, ms since 1970. */
  readonly oldestMs: number | null;
};

/** What a row must meet to go. */
export type Rules = {
  readonly retentionMs: number;
  readonly keepsUnproven: boolean;
  readonly requiresVerified: boolean;
};

/** Outcomes of `outbox.drop_partition`; the migration says what each means. */
export type DropOutcome =
  | 'dropped'
  | 'absent'
  | 'shape'
  | 'owner'
  | 'retention'
  | 'unguarded'
  | 'uncovered'
  | 'unproven'
  | 'unverified'
  | 'waiting'
  | 'changed'
  | 'writing'
  | 'writer'
  | 'busy'
  | 'dependents';

export type Dropped = {
  readonly outcome: DropOutcome;
  readonly rows: number;
  readonly bytes: number;
};

/** Some pages of a piece. */
export type Pages = { readonly from: number; readonly to: number };

/** The pieces of the outbox table, the oldest first, the default partition last. @throws RelayError POSTGRES_* */
export async function readPieces(client: Client, { outbox }: Pick<Config, 'outbox'>): Promise<Piece[]> {
  const rows = await query(client, readPiecesOf, [quoteTable(outbox.table), outbox.table === ownTable]);
  return rows.map(({ bytes, blocks, rows, until, ...rest }) => ({
    ...rest,
    untilMs: until,
    bytes: Number(bytes),
    blocks: Number(blocks),
    estimatedRows: Number(rows),
  }));
}

type PieceRow = Pick<Piece, 'name' | 'oid' | 'way' | 'isDefault' | 'isGuarded'> & {
  until: number | null;
  bytes: string;
  blocks: string;
  rows: string;
};

/** A table that is neither a partition nor partitioned has no partition tree. */
const readPiecesOf = statement<PieceRow>(
  'ledger.read_pieces',
  'reading the partitions of the outbox table',
  `with piece as (
      select c.*, n.nspname, pg_get_expr(c.relpartbound, c.oid) as bound
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.oid in (select relid from pg_partition_tree(to_regclass($1)) where isleaf
                       union select to_regclass($1)) and c.relkind = 'r'
    ), known as (
      select piece.*, coalesce(bound = 'DEFAULT', false) as is_default,
             -- The bounds of others may be of any type.
             case when $2 then substring(bound from ' TO \\(''([^'']+)''\\)')::timestamptz end as until
        from piece
    )
    select nspname || '.' || relname as name, oid::int8::float8 as oid,
           case when not $2 or is_default then 'delete'
                when until is not null and nspname = 'outbox' then 'drop' else 'none' end as way,
           is_default as "isDefault",
           exists (select from pg_trigger g where g.tgrelid = known.oid and g.tgenabled in ('O', 'A')
                      and g.tgtype & 19 = 19) as "isGuarded",
           (extract(epoch from until) * 1000)::float8 as until,
           coalesce(pg_total_relation_size(oid), 0) as bytes,
           coalesce(pg_relation_size(oid), 0) / current_setting('block_size')::int8 as blocks,
           case when reltuples < 0 then pg_stat_get_live_tuples(oid) else reltuples::int8 end as rows
      from known order by until nulls last, is_default, name`,
);

/** Judges the rows of some pages. @returns undefined if it is gone, or of another role @throws RelayError POSTGRES_* */
export async function judge(
  client: Client,
  { outbox }: Pick<Config, 'outbox'>,
  piece: Piece,
  { from, to }: Pages,
  { retentionMs, keepsUnproven, requiresVerified }: Rules,
): Promise<Judged | undefined> {
  const { id, createdAt } = outbox.columns;
  const rest = [from, to, retentionMs, keepsUnproven, requiresVerified];
  const [row] =
    outbox.table === ownTable
      ? await query(client, judgePartition, [bareName(piece), ...rest])
      : await query(client, judgeRows, [piece.oid, id, createdAt, ...rest]);
  const { all, young, uncovered, unproven, unverified, leftOut, waiting, removable, oldest } = row!;
  if (all === null) return undefined;
  return {
    allRows: Number(all),
    young: Number(young),
    uncovered: Number(uncovered),
    unproven: Number(unproven),
    unverified: Number(unverified),
    leftOut: Number(leftOut),
    waiting: Number(waiting),
    removable: Number(removable),
    oldestMs: oldest,
  };
}

/** Without its schema, which is `outbox`. */
export const bareName = ({ name }: Piece): string => name.slice(name.indexOf('.') + 1);

type JudgedRow = Record<Exclude<keyof Judged, 'allRows' | 'oldestMs'> | 'all', string | null> & {
  oldest: number | null;
};

const doing = 'looking for published rows';
const counts = `all_rows as all, young, uncovered, unproven, unverified,
    left_out as "leftOut", waiting, removable, (extract(epoch from oldest) * 1000)::float8 as oldest`;
const before = (ms: string) => `now() - make_interval(secs => ${ms}::float8 / 1000)`;

const judgePartition = statement<JudgedRow>(
  'ledger.judge_partition',
  doing,
  `select ${counts} from outbox.judge_partition($1, $2, $3, ${before('$4')}, $5, $6)`,
);

const judgeRows = statement<JudgedRow>(
  'ledger.judge_rows',
  doing,
  `select ${counts} from outbox.judge_rows($1::oid, $2, nullif($3, ''), $4, $5, ${before('$6')}, $7, $8)`,
);

/** Rows that were archived, and must be the same when their partition is dropped. */
export type Archived = { readonly name: string; readonly rows: number; readonly digest: bigint };

/**
 * Drops a partition if every row may go. The server takes as long as it needs to read all of it: the time limit of
 * statements does not apply, and a signal cancels it.
 * @throws RelayError POSTGRES_*; the partition may be gone all the same if the connection failed
 */
export function dropPartition(
  pool: pg.Pool,
  piece: Piece,
  { retentionMs, keepsUnproven, requiresVerified }: Rules,
  archived: Archived | undefined,
  signal: AbortSignal | undefined,
): Promise<Dropped> {
  return withPooled(pool, drop.doing, async (client) => {
    const { processID } = client as unknown as { processID: number };
    const stop = () => void query(pool, cancel, [processID]).catch(() => {});
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const [row] = await transaction(client, drop.doing, async () => {
        await query(client, withoutLimit);
        return query(client, drop, [
          ...[bareName(piece), retentionMs, keepsUnproven, requiresVerified],
          ...[archived?.name, archived?.rows, archived?.digest.toString()].map((value) => value ?? null),
        ]);
      });
      const { outcome, rows, bytes } = row!;
      return { outcome, rows: Number(rows), bytes: Number(bytes ?? 0) };
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  });
}

const drop = statement<{ outcome: DropOutcome; rows: string; bytes: string | null }>(
  'ledger.drop_partition',
  'dropping a partition',
  `select outcome, removed_rows as rows, bytes
     from outbox.drop_partition($1, make_interval(secs => $2::float8 / 1000), $3, $4, $5, $6, $7)`,
);

const withoutLimit = statement(
  'ledger.lift_statement_timeout',
  'dropping a partition',
  'set local statement_timeout = 0',
);

const cancel = statement(
  'ledger.cancel_drop',
  'ending the drop of a partition',
  'select pg_cancel_backend($1)',
);

/**
 * Deletes rows of some pages that may go.
 * @param rowsMax most of them
 * @throws RelayError POSTGRES_*; POSTGRES_UNAUTHORIZED without DELETE on the table
 */
export async function deleteRows(
  pool: pg.Pool,
  config: Pick<Config, 'outbox'>,
  piece: Piece,
  { from, to }: Pages,
  { retentionMs, keepsUnproven, requiresVerified }: Rules,
  rowsMax: number,
): Promise<number> {
  const { outbox } = config;
  const rest = [from, to, retentionMs, keepsUnproven, requiresVerified, rowsMax];
  if (outbox.table === ownTable) {
    const [row] = await query(pool, removeDefault, rest);
    return Number(row?.n);
  }
  const { id, createdAt } = outbox.columns;
  return inTransaction(pool, removeRows.doing, async (client) => {
    const [row] = await query(client, removeRows, [piece.oid, id, createdAt, ...rest]);
    const removed = Number(row?.n);
    if (removed > 0) await query(client, noteRemoval, [piece.name, retentionMs, removed]);
    // Dead letters or slots that a policy hid would have kept rows.
    await assertRowsShown(client, config, [outbox.table, 'outbox.dead_letter', 'outbox.progress']);
    return removed;
  });
}

/** A foreign key to a row keeps it. */
const removing = (name: string, sql: string) =>
  statement<{ n: string }>(name, 'deleting published rows', sql, { '23503': 'OUTBOX_TABLE_INVALID' });

const removeDefault = removing(
  'ledger.remove_default_rows',
  `select outbox.remove_default_rows($1, $2, make_interval(secs => $3::float8 / 1000), $4, $5, $6) as n`,
);

const removeRows = removing(
  'ledger.remove_rows',
  `select outbox.remove_rows($1::oid, $2, nullif($3, ''), $4, $5, ${before('$6')}, $7, $8, $9) as n`,
);

const noteRemoval = statement(
  'ledger.note_removal',
  'noting what was removed',
  `select outbox.note_removal($1, ${before('$2')}, $3, null, null)`,
);

/** A slot of `outbox.progress`, as far as it holds rows back. */
export type SlotHold = {
  readonly slot: string;
  /** Whether its snapshots are of this database. */
  readonly isOfHere: boolean;
  /** When the snapshot was taken up to which it has published, ms since 1970; null if there is none. */
  readonly coveredMs: number | null;
  /** The heartbeat that its progress in Kafka must cover, or Kafka has lost what was published. */
  readonly coveredBeat: number | null;
};

/** Every slot; the one that has published least first. @throws RelayError POSTGRES_* */
export async function readSlotHolds(client: Client): Promise<SlotHold[]> {
  const rows = await query(client, slotHolds);
  return rows.map(({ beat, ...rest }) => ({ ...rest, coveredBeat: beat === null ? null : Number(beat) }));
}

const slotHolds = statement<Omit<SlotHold, 'coveredBeat'> & { beat: string | null }>(
  'ledger.read_slot_holds',
  'reading what each slot has published',
  `select progress.slot, proof.is_of_here as "isOfHere",
          (extract(epoch from covered_at) * 1000)::float8 as "coveredMs", covered_beat as beat
     from outbox.slot_proofs() as proof join outbox.progress on progress.slot = proof.slot
    order by proof.is_of_here, proof.covered nulls first, progress.slot`,
);

/** Rows looked at for the oldest. They lie in the order in which they were written, but for gaps that were filled. */
const firstRows = 1_000;

/**
 * `created_at` of the oldest of the first rows of the oldest partition that has any, ms since 1970.
 * @throws RelayError POSTGRES_*
 */
export async function readOldestRow(
  client: Client,
  { outbox }: Pick<Config, 'outbox'>,
): Promise<number | undefined> {
  const { createdAt } = outbox.columns;
  if (createdAt === '') return undefined;
  const [row] = await query(
    client,
    statement<{ ms: number | null }>(
      'ledger.read_oldest_row',
      'reading the oldest rows of the outbox table',
      `select (extract(epoch from min(written)) * 1000)::float8 as ms
         from (select ${pg.escapeIdentifier(createdAt)} as written
                 from ${quoteTable(outbox.table)} limit ${firstRows}) as first_rows`,
    ),
  );
  return row?.ms ?? undefined;
}

/**
 * Whether the role may remove rows at all. Asked before anything is looked at: where nothing is to go, a role without the
 * right would otherwise be told that all is done.
 * @throws RelayError POSTGRES_UNAUTHORIZED
 */
export async function assertMayRemove(client: pg.Pool | pg.ClientBase): Promise<void> {
  const [row] = await query(client, mayRemove, []);
  if (row?.may !== true)
    throw new RelayError(
      'POSTGRES_UNAUTHORIZED',
      'removing rows: permission denied for function outbox.note_removal',
    );
}

const mayRemove = statement<{ may: boolean }>(
  'ledger.may_remove',
  'reading the rights of the role',
  `select has_function_privilege('outbox.note_removal(text, timestamptz, bigint, bigint, text)', 'execute') as may`,
);
