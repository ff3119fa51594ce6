/**
 * What Postgres holds for the relay, for a screen: the slot and how long it can hold an outage, the publication, the roles,
 * and the pieces of the outbox table. Reads Postgres only. Promise: each part is known or says why it is not; a part that
 * fails hides no other.
 */
import type pg from 'pg';
import { readPublication } from '../capture/publication.ts';
import { readSlot, type SlotState } from '../capture/slot.ts';
import type { Config } from '../config/config.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { asRelayError, type RelayError } from '../errors.ts';
import { readPieces } from '../ledger/cleanup.ts';
import { formatLsn } from '../model/position.ts';
import { freeBytesOf, presentRate } from '../model/wal-rate.ts';
import type { Verdict } from './check/finding.ts';
import { rightsMissingTo } from './check/outbox.ts';
import { judgeWal } from './check/wal.ts';
import { planningRate, readWalOutlook, timeLeft } from './slot-health.ts';
import type { SecondsLeft } from './status.ts';
import { withPool } from './with-pool.ts';

export type Part<Value> = { readonly value: Value } | { readonly failure: RelayError };

export type SlotOutlook = {
  /** null: there is no slot of that name. */
  readonly slot: {
    readonly isActive: boolean;
    readonly activePid: number | null;
    readonly confirmedLsn: string;
    readonly retainedBytes: number;
    readonly walStatus: string | null;
    /** null where there is no limit. */
    readonly safeWalBytes: number | null;
  } | null;
  /** `max_slot_wal_keep_size`; null where there is no limit. */
  readonly limitBytes: number | null;
  readonly directoryBytes: number | null;
  readonly diskBytes: number | null;
  readonly freeBytes: number | null;
  /** Bytes per second; null where nothing is known. */
  readonly rates: {
    readonly last5Min: number | null;
    readonly lastHour: number | null;
    readonly busiestHour: number | null;
    readonly sinceCheckpoint: number | null;
    /** What the forecast goes by. */
    readonly present: number | null;
    /** What the judgement goes by. */
    readonly planned: number | null;
  };
  readonly untilLimitSeconds: SecondsLeft;
  readonly untilDiskSeconds: SecondsLeft;
  readonly keepsCommitTimes: boolean;
  readonly whenLost: 'stop' | 'recover';
  /** As `check` says it. */
  readonly verdict: Verdict;
};

export type PublicationFacts = {
  readonly name: string;
  readonly publishes: readonly string[];
  /** Each with its row filter, where it has one. */
  readonly tables: readonly { readonly name: string; readonly filter: string | null }[];
  /** Why the relay cannot use it; null where it can. */
  readonly fault: { readonly code: string; readonly message: string; readonly hint: string } | null;
};

export type RoleFacts = {
  readonly name: string;
  /** The console connects with it. */
  readonly isOurs: boolean;
  /** A relay streams with it from the slot. */
  readonly streams: boolean;
  readonly isSuperuser: boolean;
  readonly mayReplicate: boolean;
  /** Of the roles of migrations/roles.sql; null where that was not run. */
  readonly isRelay: boolean | null;
  readonly isOperator: boolean | null;
  readonly isWriter: boolean | null;
  /** What the relay needs and this role lacks; asked only where it streams. */
  readonly missing: readonly string[] | null;
};

export type PieceFacts = {
  readonly name: string;
  readonly isDefault: boolean;
  /** No row is younger; null where the bounds do not say. */
  readonly until: string | null;
  readonly bytes: number;
  /** As Postgres estimates them. */
  readonly estimatedRows: number;
};

export type DatabaseFacts = {
  readonly at: string;
  readonly slotName: string;
  readonly outlook: Part<SlotOutlook>;
  readonly publication: Part<PublicationFacts>;
  readonly roles: Part<readonly RoleFacts[]>;
  readonly pieces: Part<readonly PieceFacts[]>;
};

/** Fails only if there is no connection to be had. */
export function databaseFacts(config: Config): Promise<DatabaseFacts> {
  return withPool(config, async (pool) => ({
    outlook: await learn(() => readOutlook(pool, config)),
    publication: await learn(() => readPublicationFacts(pool, config)),
    roles: await learn(() => readRoles(pool, config)),
    pieces: await learn(() => readPieceFacts(pool, config)),
    slotName: config.slot.name,
    at: new Date().toISOString(),
  }));
}

async function learn<Value>(ask: () => Promise<Value>): Promise<Part<Value>> {
  try {
    return { value: await ask() };
  } catch (error) {
    return { failure: asRelayError(error) };
  }
}

async function readOutlook(pool: pg.Pool, config: Config): Promise<SlotOutlook> {
  const outlook = await readWalOutlook(pool, config);
  await assertRowsShown(pool, config, ['outbox.wal_sample']);
  const slot = await readSlot(pool, config.slot.name);
  const { untilLimit, untilDisk } = timeLeft(outlook, slot?.safeWalBytes ?? null);
  return {
    slot: slot === undefined ? null : slotFacts(slot),
    limitBytes: outlook.limitBytes,
    directoryBytes: outlook.directoryBytes ?? null,
    diskBytes: outlook.diskBytes ?? null,
    freeBytes: freeBytesOf(outlook) ?? null,
    rates: {
      last5Min: outlook.last5Min ?? null,
      lastHour: outlook.lastHour ?? null,
      busiestHour: outlook.busiestHour ?? null,
      sinceCheckpoint: outlook.sinceCheckpoint ?? null,
      present: presentRate(outlook) ?? outlook.sinceCheckpoint ?? null,
      planned: planningRate(outlook) ?? null,
    },
    // Without a slot nothing is kept for it.
    untilLimitSeconds: slot === undefined ? null : leftOf(untilLimit),
    untilDiskSeconds: slot === undefined ? null : leftOf(untilDisk),
    keepsCommitTimes: outlook.keepsCommitTimes,
    whenLost: config.slot.whenLost,
    verdict: judgeWal(outlook, config.slot),
  };
}

const slotFacts = ({
  isActive,
  activePid,
  confirmedLsn,
  retainedBytes,
  walStatus,
  safeWalBytes,
}: SlotState): SlotOutlook['slot'] => ({
  isActive,
  activePid,
  confirmedLsn: formatLsn(confirmedLsn),
  retainedBytes,
  walStatus,
  safeWalBytes,
});

const leftOf = (seconds: number | undefined): SecondsLeft =>
  seconds === undefined ? null : Number.isFinite(seconds) ? seconds : 'never';

async function readPublicationFacts(pool: pg.Pool, config: Config): Promise<PublicationFacts> {
  const [found] = await query(pool, publicationOf, [config.publication]);
  const usable = await learn(() => readPublication(pool, config));
  const fault =
    'failure' in usable
      ? { code: usable.failure.code, message: usable.failure.message, hint: usable.failure.hint }
      : null;
  return { name: config.publication, publishes: found?.publishes ?? [], tables: found?.tables ?? [], fault };
}

/** Row filters came with 15. */
const publicationOf = statement<Pick<PublicationFacts, 'publishes' | 'tables'>>(
  'operations.read_publication_facts',
  'reading the publication',
  `select array_remove(array[case when pubinsert then 'insert' end, case when pubupdate then 'update' end,
                             case when pubdelete then 'delete' end, case when pubtruncate then 'truncate' end], null) as publishes,
          coalesce((select json_agg(json_build_object('name', schemaname || '.' || tablename,
                                                      'filter', to_jsonb(t) ->> 'rowfilter')
                                    order by schemaname, tablename)
                      from pg_publication_tables t where t.pubname = p.pubname), '[]') as tables
     from pg_publication p where pubname = $1`,
);

async function readRoles(pool: pg.Pool, config: Config): Promise<RoleFacts[]> {
  const rows = await query(pool, roles, [config.slot.name]);
  const facts: RoleFacts[] = [];
  for (const row of rows)
    facts.push({ ...row, missing: row.streams ? await rightsMissingTo(pool, config, row.name) : null });
  return facts;
}

/** Of a session of others every role sees whose it is. */
const roles = statement<Omit<RoleFacts, 'missing'>>(
  'operations.read_roles',
  'reading the roles',
  `with used as (
      select current_user::name as name
      union select a.usename from pg_replication_slots s join pg_stat_activity a on a.pid = s.active_pid
             where s.slot_name = $1 and a.usename is not null
    ), member as (select oid, rolname from pg_roles where rolname in ('outbox_relay', 'outbox_operator', 'outbox_writer'))
   select r.rolname::text as name, r.rolname = current_user as "isOurs",
          exists (select from pg_replication_slots s join pg_stat_activity a on a.pid = s.active_pid
                   where s.slot_name = $1 and a.usename = r.rolname) as streams,
          r.rolsuper as "isSuperuser", r.rolsuper or r.rolreplication as "mayReplicate",
          (select pg_has_role(r.oid, m.oid, 'usage') from member m where rolname = 'outbox_relay') as "isRelay",
          (select pg_has_role(r.oid, m.oid, 'usage') from member m where rolname = 'outbox_operator') as "isOperator",
          (select pg_has_role(r.oid, m.oid, 'usage') from member m where rolname = 'outbox_writer') as "isWriter"
     from used join pg_roles r on r.rolname = used.name order by 2 desc, 1`,
);

async function readPieceFacts(pool: pg.Pool, config: Config): Promise<PieceFacts[]> {
  const pieces = await readPieces(pool, config);
  return pieces.map(({ name, isDefault, untilMs, bytes, estimatedRows }) => ({
    name,
    isDefault,
    until: untilMs === null ? null : new Date(untilMs).toISOString(),
    bytes,
    estimatedRows,
  }));
}
