/**
 * What the relays of a slot are doing, as Postgres shows it from outside. Changes nothing and asks no other server. What
 * only a relay knows, such as its rate and its last error, is as old as its last announcement.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { readSlot, type SlotState } from '../capture/slot.ts';
import type { Config } from '../config/config.ts';
import { createPool } from '../connect/postgres/pool.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { readControl } from '../ledger/control.ts';
import { readWaiting } from '../ledger/dead-letters.ts';
import { type KnownRecovery, readOwnRecovery } from '../ledger/own-recoveries.ts';
import { readFirstStart } from '../ledger/progress-copy.ts';
import { type CleanupFacts, type KnownRelay, readRelays } from '../ledger/relays.ts';
import { controlTables } from '../ledger/tables.ts';
import { type Control, limitsOf, type RateLimits } from '../model/control.ts';
import { formatLsn, parseLsn } from '../model/position.ts';
import { waitsForResume } from './dead-letters/selection.ts';
import { assertLettersShown } from './dead-letters/transaction.ts';
import { readWalOutlook, timeLeft } from './slot-health.ts';
import { type DealtWith, type NotSeen, readDealtWith } from './status-dealt-with.ts';
import { judge, type Verdict } from './status-verdict.ts';
import { streams } from './verdicts.ts';
import { withPool } from './with-pool.ts';

export type Status = StatusFacts & { readonly verdict: Verdict };

export type { KnownRecovery } from '../ledger/own-recoveries.ts';
export type { CleanupFacts, KnownRelay } from '../ledger/relays.ts';
export type { DealtWith, NotSeen } from './status-dealt-with.ts';

/** A time that is left, in seconds. `never`: nothing uses it up. null: not known. */
export type SecondsLeft = number | 'never' | null;

export type StatusFacts = {
  /** When this was read, by the clock of the database; ISO 8601. */
  readonly at: string;
  readonly slotName: string;
  /** The Kafka topic that holds the authoritative progress. */
  readonly progressTopic: string;
  readonly slot:
    | { readonly state: 'absent' }
    | { readonly state: 'unusable'; readonly code: string; readonly message: string; readonly hint: string }
    | {
        readonly state: 'active' | 'inactive';
        readonly activePid: number | null;
        /** When the walsender that reads it began; null where none does, or the role may not see it. */
        readonly readSince: string | null;
        readonly confirmedLsn: string;
        /** WAL written since the confirmed LSN; most of it may belong to other tables. */
        readonly lagBytes: number;
        readonly retainedBytes: number;
        readonly walStatus: string | null;
        /** WAL that may still be written before the slot is at risk; null where there is no limit. */
        readonly safeWalBytes: number | null;
        /** Until Postgres may give up the slot, and until its disk is full, if nothing is published. */
        readonly untilLimitSeconds: SecondsLeft;
        readonly untilDiskSeconds: SecondsLeft;
      };
  /** Other slots of this database on which a relay has started, where none did on this one: perhaps one of them is meant. At most ten. */
  readonly otherSlots: readonly string[];
  /** As each announced itself last; those that stream first. */
  readonly relays: readonly KnownRelay[];
  /** What people have paused, and the limits they have set. */
  readonly control: Control;
  /** What counts, by people and settings; 0: no limit. */
  readonly limits: RateLimits;
  /** Keys that wait because their topic was set aside; `parked` counts them too. */
  readonly setAside: readonly { readonly topic: string; readonly keys: number }[];
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
  /** What of them people have fixed or are releasing, or why that is not known; null where none is open. */
  readonly dealtWith: DealtWith | NotSeen | null;
  /** Keys whose later events wait behind a dead letter, and how many events wait. */
  readonly parked: { readonly keys: number; readonly events: number };
  /** What the standing audit knows; null where it never ran. */
  readonly audit: AuditStatus | null;
  /** The latest recovery from a lost slot that a relay did by itself; null where there was none within a day. */
  readonly recovery: KnownRecovery | null;
  /** What cleanup does, by the relay that streams; null where none says so. */
  readonly cleanup: CleanupFacts | null;
};

export type AuditStatus = {
  /** By kind; of missing events those that are still missing. */
  readonly findings: Readonly<Record<string, number>>;
  /** Events that it has read, and those whose record or dead letter it has found. */
  readonly events: number;
  readonly compared: number;
  /** Events that are missing, or that Kafka removed: nothing tells. */
  readonly missingOrRemoved: number;
  /** Everything before was compared; null before the first window is done. */
  readonly verifiedAt: string | null;
  readonly lastRunAt: string | null;
  /** Why the last run verified nothing. */
  readonly heldBack: string | null;
};

/** @throws RelayError POSTGRES_*, OUTBOX_TABLE_INVALID */
export function readStatus(config: Config): Promise<Status> {
  return withPool(config, (pool) => readFrom(pool, config));
}

/** Between two looks; a relay says every 3 s what it does. */
const lookEveryMs = 500;

/**
 * The status as soon as a relay streams and its state is known, otherwise that after `waitMs`. Postgres may start meanwhile,
 * and the tables come.
 * @throws RelayError POSTGRES_*, OUTBOX_TABLE_INVALID
 */
export async function statusOnceStreaming(config: Config, waitMs: number): Promise<Status> {
  const endMs = performance.now() + waitMs;
  for (;;) {
    const isLast = performance.now() >= endMs;
    try {
      const status = await readStatus(config);
      if (isLast || streams.has(status.verdict.name)) return status;
    } catch (error) {
      const { code, class: kind } = asRelayError(error);
      if (isLast || (kind !== 'retry' && code !== 'OUTBOX_TABLE_INVALID')) throw error;
    }
    await sleep(Math.min(lookEveryMs, Math.max(0, endMs - performance.now())));
  }
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
  const slot = config.slot.name;
  const { maxEventsPerSecond, maxBytesPerSecond } = config.publish;
  const settings = { eventsPerSecond: maxEventsPerSecond, bytesPerSecond: maxBytesPerSecond };
  const control = await readControl(pool, slot);
  const relays = await readRelays(pool, slot);
  const streamer = relays.find(({ isGone, state }) => state === 'streaming' && !isGone);
  const deadLetters = await readDeadLetters(pool, slot);
  const progress = await readProgress(pool, slot);
  const facts: StatusFacts = {
    at: await readClock(pool),
    slotName: slot,
    progressTopic: config.kafka.progressTopic,
    slot: await readSlotStatus(pool, config),
    otherSlots: progress === null && relays.length === 0 ? await readOtherSlots(pool, slot) : [],
    relays,
    control,
    limits: limitsOf(control, settings),
    progress,
    deadLetters,
    dealtWith: deadLetters.length === 0 ? null : await readDealtWith(pool, slot),
    parked: await readParked(pool, slot),
    setAside: await query(pool, countSetAside, [slot]),
    audit: await readAudit(pool, slot),
    recovery: await readOwnRecovery(pool, slot),
    cleanup: streamer?.facts.cleanup ?? null,
  };
  await assertLettersShown(pool, config);
  await assertRowsShown(pool, config, [
    ...controlTables,
    'outbox.audit',
    'outbox.wal_sample',
    'outbox.action',
  ]);
  return { verdict: judge(facts), ...facts };
}

async function readClock(pool: pg.Pool): Promise<string> {
  const [row] = await query(
    pool,
    statement<{ at: Date }>('operations.read_clock', 'reading the clock', 'select clock_timestamp() as at'),
  );
  return row!.at.toISOString();
}

const countSetAside = statement<{ topic: string; keys: number }>(
  'operations.count_set_aside',
  'counting the keys that are set aside',
  `select topic, count(*)::float8 as keys from outbox.parked_key as parked
    where slot = $1 and ${waitsForResume('parked')} and released_lsn is null group by topic order by topic`,
);

/** Only what it found and when: what it remembers of the windows can be large. */
async function readAudit(pool: pg.Pool, slot: string): Promise<AuditStatus | null> {
  const [row] = await query(
    pool,
    statement<{
      findings: Record<string, number>;
      events: number;
      compared: number;
      perhaps: number;
      verified: Date | null;
      ran: Date | null;
      held: string | null;
    }>(
      'operations.read_audit_facts',
      'reading what the audit knows',
      `select json_build_object('missing', missing_open, 'duplicate', duplicate, 'leaked', leaked,
                                'out_of_order', out_of_order, 'undecodable', undecodable) as findings,
              events::float8, (case when matched_of = started_at then matched else 0 end)::float8 as compared,
              coalesce((unjudged->>'missingOrRemoved')::float8, 0) as perhaps,
              verified_at as verified, last_run_at as ran, held_back as held from outbox.audit where slot = $1`,
    ),
    [slot],
  );
  if (row === undefined) return null;
  const { findings, events, compared, perhaps, verified, ran, held } = row;
  return {
    findings,
    events,
    compared,
    missingOrRemoved: perhaps,
    verifiedAt: verified?.toISOString() ?? null,
    lastRunAt: ran?.toISOString() ?? null,
    heldBack: held,
  };
}

/** Not known where the role may not read what it follows from. */
async function readTimeLeft(
  pool: pg.Pool,
  config: Config,
  safeWalBytes: number | null,
): Promise<{ untilLimitSeconds: SecondsLeft; untilDiskSeconds: SecondsLeft }> {
  try {
    const { untilLimit, untilDisk } = timeLeft(await readWalOutlook(pool, config), safeWalBytes);
    return { untilLimitSeconds: leftOf(untilLimit), untilDiskSeconds: leftOf(untilDisk) };
  } catch (error) {
    if (asRelayError(error).code !== 'POSTGRES_UNAUTHORIZED') throw error;
    return { untilLimitSeconds: safeWalBytes === null ? 'never' : null, untilDiskSeconds: null };
  }
}

const leftOf = (seconds: number | undefined): SecondsLeft =>
  seconds === undefined ? null : Number.isFinite(seconds) ? seconds : 'never';

async function readSlotStatus(pool: pg.Pool, config: Config): Promise<Status['slot']> {
  const { name } = config.slot;
  let slot: SlotState | undefined;
  try {
    slot = await readSlot(pool, name);
  } catch (error) {
    const failure = asRelayError(error);
    if (!isAboutSlot(failure)) throw error;
    return { state: 'unusable', code: failure.code, message: failure.message, hint: failure.hint };
  }
  if (slot === undefined)
    return Number.isFinite(await readFirstStart(pool, name)) ? missing(name) : { state: 'absent' };
  const [wal] = await query(
    pool,
    statement<{ lsn: string; since: Date | null }>(
      'operations.read_wal_position',
      'reading the WAL position, and when the walsender began',
      `select pg_current_wal_lsn() as lsn,
         (select backend_start from pg_stat_activity where pid = $1) as since`,
    ),
    [slot.activePid],
  );
  return {
    state: slot.isActive ? 'active' : 'inactive',
    activePid: slot.activePid,
    readSince: wal?.since?.toISOString() ?? null,
    confirmedLsn: formatLsn(slot.confirmedLsn),
    lagBytes: Math.max(0, Number(parseLsn(wal?.lsn ?? '0/0') - slot.confirmedLsn)),
    retainedBytes: slot.retainedBytes,
    walStatus: slot.walStatus,
    safeWalBytes: slot.safeWalBytes,
    ...(await readTimeLeft(pool, config, slot.safeWalBytes)),
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

async function readOtherSlots(pool: pg.Pool, slot: string): Promise<string[]> {
  const rows = await query(
    pool,
    statement<{ slot: string }>(
      'operations.read_other_slots',
      'reading outbox.progress',
      'select slot from outbox.progress where slot <> $1 order by published_at desc nulls last, slot limit 10',
    ),
    [slot],
  );
  return rows.map((row) => row.slot);
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
