/**
 * Keeps what the audit knows and found in `outbox.audit` and `outbox.audit_finding`; `start.ts` begins it. A window is stored as a whole, with
 * its counts and its findings, in one transaction: an audit that dies verifies the window again and counts nothing twice.
 */
import type pg from 'pg';
import { query, statement } from '../../connect/postgres/statement.ts';
import { transaction } from '../../connect/postgres/transaction.ts';
import { RelayError } from '../../errors.ts';
import { parseSnapshot } from '../../model/pg-snapshot.ts';
import { formatLsn } from '../../model/position.ts';
import type { ForeignTopic } from '../foreign.ts';
import { type AuditState, parseState, serializeState } from './audit-state.ts';
import { type Found, unjudgedRows } from './found.ts';
import type { Home } from './read-window.ts';

/** The facts of `outbox.audit`, for reports and metrics. */
export type AuditRow = Home & {
  readonly startedAt: Date;
  readonly startedBecause: string;
  readonly beginsAt: Date | null;
  readonly verifiedAt: Date | null;
  readonly verifiedLsn: string | null;
  readonly missingOpen: number;
  readonly missing: number;
  readonly duplicate: number;
  readonly leaked: number;
  readonly outOfOrder: number;
  readonly undecodable: number;
  readonly events: number;
  /** Of these, the ones whose record or dead letter was found. */
  readonly matched: number;
  readonly records: number;
  readonly windows: number;
  readonly unjudged: Readonly<Record<string, number>>;
  readonly lastRunAt: Date | null;
  readonly lastRunMs: number | null;
  readonly lastError: string | null;
  readonly lastErrorAt: Date | null;
  readonly heldBack: string | null;
  readonly runs: readonly AuditRun[];
};

/** Of one window. */
export type AuditRun = {
  readonly at: string;
  readonly ms: number;
  readonly window: number;
  readonly verifiedLsn: string;
  readonly events: number;
  readonly records: number;
  readonly found: Readonly<Record<string, number>>;
  /** Where records of other producers are, if there are any: the topics with the most. Absent in runs of earlier releases. */
  readonly foreign?: readonly ForeignTopic[];
};

export type Stored = { readonly row: AuditRow; readonly state: AuditState | undefined };

/** undefined before the first run. */
export async function loadAudit(
  client: pg.Pool | pg.ClientBase,
  slot: string,
): Promise<(Stored & { readonly isReadable: boolean }) | undefined> {
  const [found] = await query(client, load, [slot]);
  if (found === undefined) return undefined;
  const { state: bytes, ...row } = found;
  const state = bytes === null ? undefined : parseState(bytes);
  return { row, state, isReadable: bytes === null || state !== undefined };
}

const load = statement<AuditRow & { state: Buffer | null }>(
  'audit.load',
  'reading what the audit knows',
  `select system_identifier as "systemIdentifier", database_oid::text as "databaseOid", outbox_table as "outboxTable",
      started_at as "startedAt", started_because as "startedBecause", begins_at as "beginsAt",
      verified_at as "verifiedAt", verified_lsn::text as "verifiedLsn", missing_open::float8 as "missingOpen",
      missing::float8, duplicate::float8, leaked::float8, out_of_order::float8 as "outOfOrder", undecodable::float8,
      events::float8, (case when matched_of = started_at then matched else 0 end)::float8 as matched,
      records::float8, windows::float8, unjudged, last_run_at as "lastRunAt",
      last_run_ms::float8 as "lastRunMs", last_error as "lastError", last_error_at as "lastErrorAt",
      held_back as "heldBack", runs, state
    from outbox.audit where slot = $1`,
);

/** Kept of each kind. Without its id, nothing tells the late record of a missing event from a duplicate. */
const findingsMost = 10_000;
const missingMost = 100_000;
const runsMost = 100;
const foreignTopicsMost = 20;

export type VerifiedWindow = {
  /** What was known before; undefined: this is the first window, and began with the first row. */
  readonly before: AuditState | undefined;
  readonly state: AuditState;
  readonly found: Found;
  /** Transactions below the audit's beginning whose rows the window has compared all the same. */
  readonly besides: ReadonlySet<bigint>;
  readonly startedAt: Date;
  readonly tookMs: number;
};

/** @throws RelayError AUDIT_OVERTAKEN if another audit has stored a window meanwhile */
export async function storeWindow(
  client: pg.ClientBase,
  slot: string,
  { before, state, found, besides, startedAt, tookMs }: VerifiedWindow,
): Promise<void> {
  const { counts, resolved, resolvedUnlisted, unjudged, events, records, matched } = found;
  const run: AuditRun = {
    at: new Date().toISOString(),
    ms: tookMs,
    window: state.window,
    verifiedLsn: formatLsn(state.lsn),
    events,
    records,
    found: Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
    ...(found.foreign.count === 0 ? {} : { foreign: found.foreign.topics().slice(0, foreignTopicsMost) }),
  };
  await transaction(client, store.doing, async () => {
    const updated = await query(client, store, [
      slot,
      startedAt,
      state.window,
      state.atMs,
      formatLsn(state.lsn),
      state.snapshot,
      String(parseSnapshot(state.snapshot).xmin),
      counts.missing,
      counts.duplicate,
      counts.leaked,
      counts.out_of_order,
      counts.undecodable,
      resolved.length + resolvedUnlisted,
      events,
      records,
      JSON.stringify(unjudged),
      tookMs,
      JSON.stringify(run),
      serializeState(state),
      before === undefined ? null : String(parseSnapshot(before.snapshot).xmax),
      [...besides].map(String),
      matched,
    ]);
    if (updated.length === 0)
      throw new RelayError('AUDIT_OVERTAKEN', `another audit of slot ${slot} has verified this window`);
    if (resolved.length > 0) await query(client, resolve, [slot, resolved]);
    if (found.items.length > 0)
      await query(client, insertFindings, [
        slot,
        JSON.stringify(
          found.items.map(({ id, offset, ...item }) => ({
            ...item,
            event_id: id,
            offset: offset === undefined ? null : String(offset),
          })),
        ),
      ]);
  });
}

const store = statement<{ slot: string }>(
  'audit.store',
  'storing what is verified',
  `update outbox.audit set
      verified_at = to_timestamp($4::float8 / 1000), verified_lsn = $5, verified_snapshot = $6, verified_below = $7::text::xid8,
      missing = missing + $8, missing_open = greatest(0, missing_open + $8 - $13), duplicate = duplicate + $9,
      leaked = leaked + $10, out_of_order = out_of_order + $11, undecodable = undecodable + $12,
      events = events + $14, records = records + $15, windows = $3,
      matched = $22 + case when matched_of = started_at then matched else 0 end, matched_of = started_at,
      unjudged = (select coalesce(jsonb_object_agg(k, coalesce((unjudged->>k)::bigint, 0) + coalesce(($16::jsonb->>k)::bigint, 0)), '{}')
                    from (select jsonb_object_keys(unjudged) union select jsonb_object_keys($16::jsonb)) as keys(k)),
      last_run_at = now(), last_run_ms = $17, held_back = null, last_error = null,
      runs = (select coalesce(jsonb_agg(r order by at), '[]') from (
                select r, at from jsonb_array_elements(runs || $18::jsonb) with ordinality as e(r, at)
                order by at desc limit ${runsMost}) as latest),
      state = $19,
      -- An earlier release has begun it: at the latest what the window before did not show is compared from now on.
      begins_xid = case when begins_of = started_at or begins_at is null then begins_xid else $20::text::xid8 end,
      compared_besides = case when begins_of = started_at then compared_besides + (
                                select coalesce(range_agg(int8range(xid, xid, '[]')), '{}') from unnest($21::bigint[]) as xid) end,
      tables_since = case when begins_of = started_at
                          then coalesce(tables_since, case when windows = 0 and begins_at is null then $7::text::xid8 end) end,
      begins_of = started_at
    where slot = $1 and started_at = $2 and windows = $3 - 1
    returning slot`,
);

const resolve = statement(
  'audit.resolve',
  'storing what is verified',
  `update outbox.audit_finding set resolved_at = now()
    where slot = $1 and kind = 'missing' and resolved_at is null and event_id = any ($2::text[])`,
);

const insertFindings = statement(
  'audit.insert_findings',
  'storing what was found',
  `insert into outbox.audit_finding (slot, kind, event_id, topic, partition, "offset", position, detail)
    select $1, f.kind, f.event_id, f.topic, f.partition, f."offset"::bigint, f.position, f.detail
      from (select *, row_number() over (partition by kind) as number
              from jsonb_to_recordset($2::jsonb)
                as f(kind text, event_id text, topic text, partition int, "offset" text, position text, detail text)) as f
      where f.number + (select count(*) from outbox.audit_finding k where k.slot = $1 and k.kind = f.kind)
        <= case f.kind when 'missing' then ${missingMost} else ${findingsMost} end`,
);

/** Which of these ids are missing as far as the audit knows, and how many more are, whose ids were not kept. */
export async function openMissing(
  client: pg.ClientBase,
  slot: string,
  ids: readonly string[],
): Promise<{ ids: ReadonlySet<string>; unlisted: number }> {
  const rows = await query(client, readMissing, [slot, ids]);
  const [counted] = await query(client, countUnlisted, [slot]);
  return { ids: new Set(rows.map(({ id }) => id)), unlisted: counted?.unlisted ?? 0 };
}

const countUnlisted = statement<{ unlisted: number }>(
  'audit.count_unlisted',
  'reading what is missing',
  `select greatest(0, missing_open - (select count(*) from outbox.audit_finding
      where slot = $1 and kind = 'missing' and resolved_at is null))::float8 as unlisted
    from outbox.audit where slot = $1`,
);

const readMissing = statement<{ id: string }>(
  'audit.read_missing',
  'reading what is missing',
  `select event_id as id from outbox.audit_finding
    where slot = $1 and kind = 'missing' and resolved_at is null and event_id = any ($2::text[])`,
);

/** Whether earlier windows had rows without a record that they could not judge. */
export async function hasUnjudgedRows(client: pg.ClientBase, slot: string): Promise<boolean> {
  const [row] = await query(client, readUnjudged, [slot, unjudgedRows]);
  return row?.any ?? false;
}

const readUnjudged = statement<{ any: boolean }>(
  'audit.read_unjudged',
  'reading what was not judged',
  'select unjudged ?| $2::text[] as any from outbox.audit where slot = $1',
);

/** A run that verified nothing. */
export async function noteHeldBack(client: pg.ClientBase, slot: string, why: string): Promise<void> {
  await query(client, holdBack, [slot, why]);
}

const holdBack = statement(
  'audit.hold_back',
  'storing why nothing was verified',
  `update outbox.audit set last_run_at = now(), held_back = $2 where slot = $1`,
);

/** A run that failed. */
export async function noteFailure(client: pg.ClientBase, slot: string, failure: string): Promise<void> {
  await query(client, fail, [slot, failure.slice(0, 2_000)]);
}

const fail = statement(
  'audit.fail',
  'storing the failure of the audit',
  `update outbox.audit set last_run_at = now(), last_error = $2, last_error_at = now() where slot = $1`,
);
