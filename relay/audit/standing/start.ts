/**
 * Begins the audit, or begins it again, each in one transaction. Promise: nobody can make it forget what it found without a
 * line in the audit trail, and what cleanup may take for compared (migrations/0022_audit_beginning.sql) stays true.
 */
import type pg from 'pg';
import { query, statement } from '../../connect/postgres/statement.ts';
import { transaction } from '../../connect/postgres/transaction.ts';
import { parseSnapshot } from '../../model/pg-snapshot.ts';
import { serializeState } from './audit-state.ts';
import type { Begun } from './begin-now.ts';
import type { Home } from './read-window.ts';

/** Who asked for a start, which forgets what was found, and why. */
export type AskedStart = {
  /** `here`: where the audit is. */
  readonly from: 'first' | 'now' | 'here';
  readonly person: string;
  readonly reason: string | null;
};

export type Start = {
  readonly slot: string;
  readonly home: Home;
  readonly because: string;
  /** Where the audit begins; undefined: with the first row. */
  readonly begun: Begun | undefined;
  /** undefined: the audit starts by itself. */
  readonly asked: AskedStart | undefined;
};

const doing = 'starting the audit';

const startedHere = 'asked to start where it was';

/** When a person set the findings to 0 that the audit had, if that was the last start; null otherwise. */
export const forgotAt = ({ startedBecause, startedAt }: { startedBecause: string; startedAt: Date }) =>
  startedBecause === startedHere ? startedAt : null;

/**
 * Begins with all counters at 0. Findings of before stay, missing events as resolved by the start.
 * @throws RelayError POSTGRES_*
 */
export async function startAudit(
  client: pg.ClientBase,
  { slot, home, because, begun, asked }: Start,
): Promise<void> {
  const { systemIdentifier, databaseOid, outboxTable } = home;
  await transaction(client, doing, async () => {
    if (asked !== undefined) await noteInTrail(client, slot, asked);
    await query(client, begin, [
      slot,
      systemIdentifier,
      databaseOid,
      outboxTable,
      because,
      begun === undefined ? null : begun.state.atMs,
      begun === undefined ? null : serializeState(begun.state),
      begun === undefined ? null : String(begun.state.beginsXid),
      begun === undefined ? null : String(parseSnapshot(begun.state.snapshot).xmin),
      begun?.continues ?? false,
      (begun?.compared ?? []).map(String),
    ]);
    await query(client, closeFindings, [slot]);
  });
}

/** Sets what was found to 0, and goes on from where the audit is. Missing events still count. @throws RelayError POSTGRES_* */
export async function forgetFindings(client: pg.ClientBase, slot: string, asked: AskedStart): Promise<void> {
  await transaction(client, doing, async () => {
    await noteInTrail(client, slot, asked);
    await query(client, forget, [slot]);
  });
}

async function noteInTrail(client: pg.ClientBase, slot: string, { from, person, reason }: AskedStart) {
  await query(client, record, [slot, from, person, reason]);
}

const record = statement(
  'audit.record_start',
  'writing into the audit trail',
  `select outbox.record_action($1::text, 'audit-start', $2, $3, $4, jsonb_strip_nulls(jsonb_build_object('forgets', (
      select jsonb_build_object('missing', case when $2 = 'here' then 0 else missing_open end, 'duplicate', duplicate,
          'leaked', leaked, 'out_of_order', out_of_order, 'undecodable', undecodable,
          'missing_or_removed', (unjudged->>'missingOrRemoved')::bigint, 'since', started_at, 'verified_at', verified_at)
        from outbox.audit where slot = $1::text))))`,
);

/**
 * Transactions that an audit has compared: none that is known where an earlier release began it, or where it misses an event,
 * or may miss one.
 */
const compared = `case when a.missing_open > 0 or coalesce((a.unjudged->>'missingOrRemoved')::bigint, 0) > 0
                             or a.verified_below is null then '{}'
    else coalesce((select range_agg(part) from (
           select int8range(case when a.begins_at is not null then begins end,
                            greatest(begins, a.verified_below::text::bigint)) as part where begins is not null
           union all
           select int8range(xid, xid, '[]') from unnest($11::bigint[]) as xid where xid >= begins) as parts), '{}')
         + coalesce(case when a.begins_of = a.started_at then a.compared_besides end, '{}') end`;

const begin = statement(
  'audit.start',
  doing,
  `insert into outbox.audit as a (slot, system_identifier, database_oid, outbox_table, started_at, started_because, begins_at, state,
      begins_of, begins_xid, compared_besides, tables_since, matched, matched_of)
    values ($1, $2, $3, $4, date_trunc('milliseconds', now()), $5, to_timestamp($6::float8 / 1000), $7,
      date_trunc('milliseconds', now()), $8::text::xid8, '{}', $9::text::xid8, 0, date_trunc('milliseconds', now()))
    on conflict (slot) do update set
      begins_of = excluded.begins_of, begins_xid = excluded.begins_xid,
      compared_besides = case when $10 then (
        select ${compared}
          from (select case when a.begins_at is null then 0
                            when a.begins_of = a.started_at then a.begins_xid::text::bigint end as begins) as earlier)
        else '{}' end,
      -- What the earlier audit has compared was in the table at its beginning, not at this one.
      tables_since = case when not $10 then excluded.tables_since
                          when a.begins_of = a.started_at then a.tables_since end,
      system_identifier = excluded.system_identifier, database_oid = excluded.database_oid,
      outbox_table = excluded.outbox_table, started_at = excluded.started_at,
      started_because = excluded.started_because, begins_at = excluded.begins_at, state = excluded.state,
      verified_at = null, verified_lsn = null, verified_snapshot = null, verified_below = null,
      missing_open = 0, missing = 0, duplicate = 0, leaked = 0, out_of_order = 0, undecodable = 0,
      events = 0, matched = 0, matched_of = excluded.matched_of, records = 0, windows = 0, unjudged = '{}',
      held_back = null, last_error = null, last_error_at = null`,
);

/** The detail of a missing event that a start has closed. No record of it came. */
export const closedByStart = 'the audit started again';

const closeFindings = statement(
  'audit.close_findings',
  doing,
  `update outbox.audit_finding set resolved_at = now(), detail = concat_ws('; ', detail, '${closedByStart}')
    where slot = $1 and kind = 'missing' and resolved_at is null`,
);

/**
 * What could not be judged still decides about later records. What may be missing has been looked into: it counts as
 * removed by Kafka from here on.
 */
const forget = statement(
  'audit.forget_findings',
  doing,
  `update outbox.audit set
      started_because = '${startedHere}', started_at = date_trunc('milliseconds', now()),
      begins_of = case when begins_of = started_at then date_trunc('milliseconds', now()) end,
      matched_of = case when matched_of = started_at then date_trunc('milliseconds', now()) end,
      missing = missing_open, duplicate = 0, leaked = 0, out_of_order = 0, undecodable = 0,
      unjudged = case when unjudged ? 'missingOrRemoved' then unjudged - 'missingOrRemoved' || jsonb_build_object('expired',
                   coalesce((unjudged->>'expired')::bigint, 0) + (unjudged->>'missingOrRemoved')::bigint) else unjudged end
    where slot = $1`,
);
