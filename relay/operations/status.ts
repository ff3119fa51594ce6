/** What the relay of a slot is doing, as Postgres shows it from outside. Changes nothing and asks no other server. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { readSlot, type SlotState } from '../capture/slot.ts';
import type { Config } from '../config/config.ts';
import { createPool } from '../connect/postgres/pool.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { readWaiting } from '../ledger/dead-letters.ts';
import { readMarks } from '../ledger/progress-copy.ts';
import { formatLsn, parseLsn } from '../model/position.ts';
import { assertLettersShown } from './dead-letters/transaction.ts';
import { withPool } from './with-pool.ts';

export type Status = {
  readonly slotName: string;
  /** The Kafka topic that holds the authoritative progress. */
  readonly progressTopic: string;
  readonly slot:
    | { readonly state: 'absent' }
    | { readonly state: 'unusable'; readonly code: string; readonly message: string; readonly hint: string }
    | {
        readonly state: 'active' | 'inactive';
        readonly activePid: number | null;
        readonly confirmedLsn: string;
        /** WAL written since the confirmed LSN; most of it may belong to other tables. */
        readonly lagBytes: number;
        readonly retainedBytes: number;
        readonly walStatus: string | null;
        /** WAL that may still be written before the slot is at risk; null where there is no limit. */
        readonly safeWalBytes: number | null;
      };
  /** The copy of the progress in Postgres; null where no relay ever started on this slot. */
  readonly progress: {
    readonly endLsn: string | null;
    readonly isPartial: boolean;
    readonly eventCount: number;
    readonly instance: string | null;
    readonly publishedAt: string | null;
    /** Age of the copy; an idle relay writes it rarely. */
    readonly ageSeconds: number | null;
  } | null;
  readonly deadLetters: readonly {
    readonly code: string;
    readonly open: number;
    readonly oldestAgeSeconds: number;
  }[];
  /** Keys whose later events wait behind a dead letter, and how many events wait. */
  readonly parked: { readonly keys: number; readonly events: number };
};

/** @throws RelayError POSTGRES_*, OUTBOX_TABLE_INVALID */
export function readStatus(config: Config): Promise<Status> {
  return withPool(config, (pool) => readFrom(pool, config));
}

/** The same again and again on the same connections, until the reader stops. @throws RelayError as readStatus does */
export async function* watchStatus(config: Config, everyMs: number): AsyncGenerator<Status> {
  const pool = createPool(config);
  try {
    for (;;) {
      yield await readFrom(pool, config);
      await sleep(everyMs);
    }
  } finally {
    await pool.end();
  }
}

async function readFrom(pool: pg.Pool, config: Config): Promise<Status> {
  const status: Status = {
    slotName: config.slot.name,
    progressTopic: config.kafka.progressTopic,
    slot: await readSlotStatus(pool, config.slot.name),
    progress: await readProgress(pool, config.slot.name),
    deadLetters: await readDeadLetters(pool, config.slot.name),
    parked: await readParked(pool, config.slot.name),
  };
  await assertLettersShown(pool, config);
  return status;
}

async function readSlotStatus(pool: pg.Pool, name: string): Promise<Status['slot']> {
  let slot: SlotState | undefined;
  try {
    slot = await readSlot(pool, name);
  } catch (error) {
    const failure = asRelayError(error);
    if (!isAboutSlot(failure)) throw error;
    return { state: 'unusable', code: failure.code, message: failure.message, hint: failure.hint };
  }
  if (slot === undefined)
    return (await readMarks(pool, name)).initialised ? missing(name) : { state: 'absent' };
  const [wal] = await query(
    pool,
    statement<{ lsn: string }>(
      'operations.read_wal_position',
      'reading the WAL position',
      'select pg_current_wal_lsn() as lsn',
    ),
  );
  return {
    state: slot.isActive ? 'active' : 'inactive',
    activePid: slot.activePid,
    confirmedLsn: formatLsn(slot.confirmedLsn),
    lagBytes: Math.max(0, Number(parseLsn(wal?.lsn ?? '0/0') - slot.confirmedLsn)),
    retainedBytes: slot.retainedBytes,
    walStatus: slot.walStatus,
    safeWalBytes: slot.safeWalBytes,
  };
}

function missing(name: string): Status['slot'] {
  const { code, message, hint } = new RelayError(
    'SLOT_MISSING',
    `slot ${name} does not exist, although a relay has used it`,
  );
  return { state: 'unusable', code, message, hint };
}

function isAboutSlot({ code }: RelayError): boolean {
  return code === 'SLOT_INVALIDATED' || code === 'SLOT_WRONG_KIND';
}

type ProgressRow = {
  end_lsn: string | null;
  is_partial: boolean;
  event_count: string | null;
  instance: string | null;
  published_at: string | null;
  age: string | null;
};

async function readProgress(pool: pg.Pool, slot: string): Promise<Status['progress']> {
  const [row] = await query(
    pool,
    statement<ProgressRow>(
      'operations.read_progress_copy',
      'reading outbox.progress',
      `select end_lsn, partial_commit_lsn is not null as is_partial, event_count, instance,
            to_char(published_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as published_at,
            extract(epoch from clock_timestamp() - published_at) as age
       from outbox.progress where slot = $1`,
    ),
    [slot],
  );
  if (row === undefined) return null;
  return {
    endLsn: row.end_lsn,
    isPartial: row.is_partial,
    eventCount: Number(row.event_count ?? 0),
    instance: row.instance,
    publishedAt: row.published_at,
    ageSeconds: row.age === null ? null : Math.max(0, Number(row.age)),
  };
}

async function readParked(pool: pg.Pool, slot: string): Promise<Status['parked']> {
  const { parked, parkedKeys } = await readWaiting(pool, slot);
  return { keys: parkedKeys, events: parked };
}

async function readDeadLetters(pool: pg.Pool, slot: string): Promise<Status['deadLetters']> {
  const rows = await query(
    pool,
    statement<{ code: string; open: string; age: string }>(
      'operations.count_open_letters',
      'reading outbox.dead_letter',
      `select code, count(*) as open, extract(epoch from clock_timestamp() - min(first_seen)) as age
       from outbox.dead_letter where slot = $1 and status = 'open' group by code order by count(*) desc, code`,
    ),
    [slot],
  );
  return rows.map(({ code, open, age }) => ({
    code,
    open: Number(open),
    oldestAgeSeconds: Math.max(0, Number(age)),
  }));
}
