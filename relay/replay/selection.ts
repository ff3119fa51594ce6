/**
 * The SQL that says of each row of a range what replay does with it. Two promises rest on it: a replay publishes nothing
 * that the stream has not published, and a replay that continues finds the same rows in the same order.
 *
 * So everything here depends only on what cannot change: the row, the snapshots that were taken down at the start, and what
 * was decided about dead letters before the start. A row that somebody updates gets a transaction number that no snapshot of
 * the start shows, so it leaves the set.
 */
import pg from 'pg';
import type { Config } from '../config/config.ts';
import { quoteTable } from '../connect/postgres/quoting.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { type PgSnapshot, parseSnapshot } from '../model/pg-snapshot.ts';
import { type Facts, type Range, rangeOf } from './range.ts';

/** What is to happen with a row. Only `replay` is published. */
export type Verdict =
  | 'replay'
  /** Committed before the slot was first created: never to be streamed. */
  | 'before'
  /** Not known to be published yet: the stream brings it. */
  | 'pending'
  /** Committed after the first start, which is not asked for: the stream has published it. */
  | 'streamed'
  /** Whether it was ever published is not known: it is older than the snapshots that the relay keeps. */
  | 'unknown'
  /** It was refused, and nobody had published it when the replay began. */
  | 'dead-letter'
  /** A dead letter was resubmitted; a later row of the same id is the event that was published. */
  | 'replaced'
  | 'without-id'
  /** An earlier replay of events from before the first start has it. */
  | 'done';

export type Selected = {
  readonly config: Config;
  readonly range: Range;
  readonly facts: Facts;
  /** Of events from before the first start. */
  readonly isFirst: boolean;
  /** Ranges of the replays in `facts.excludes`. */
  readonly earlier: readonly { readonly id: string; readonly range: Range; readonly order: Facts['order'] }[];
  /** The ids that the positions of the range name; null if it names none. */
  readonly positionIds: readonly string[] | null;
  /** The first transaction number that the current snapshot does not show. */
  readonly xmax: string;
  /** Whether Postgres keeps commit times now. */
  readonly hasCommitTimes: boolean;
  /** The time of the range: of the commit or else of the row; until it is decided which one orders the events. */
  readonly isEitherTime: boolean;
};

/** Values of one statement. */
export class Values {
  readonly list: unknown[] = [];

  add(value: unknown): string {
    this.list.push(value);
    return `$${this.list.length}`;
  }
}

/** No time is later: what does not fit a bigint sorts last. */
const mostUs = '9000000000000000000';

/**
 * `with` clause whose last part, `chosen`, has a row for each row of the table that the range names: columns `relation`,
 * `place`, `xid`, `whole`, `command`, `created_us`, `committed_us`, `event_type`, `aggregatetype`, `key`, `bytes`,
 * `is_released`, `verdict`.
 */
export function chosenRows(selected: Selected, values: Values): string {
  const { config, range, facts, isFirst } = selected;
  const { columns, table } = config.outbox;
  const text = (column: string) => `${pg.escapeIdentifier(column)}::text`;
  const us = (time: string) =>
    `case when isfinite(${time}) then least(trunc(extract(epoch from ${time}) * 1000000), ${mostUs})::bigint end`;
  const size = (column: string) =>
    column === '' ? '0' : `coalesce(pg_column_size(${pg.escapeIdentifier(column)}), 0)`;
  const created = columns.createdAt === '' ? 'null::bigint' : us(pg.escapeIdentifier(columns.createdAt));
  const committed = selected.hasCommitTimes ? us('pg_xact_commit_timestamp(xmin)') : 'null::bigint';
  const whole = wholeXid(`(${values.add(selected.xmax)}::bigint - 1)`);
  return `with event as (
      select tableoid as relation, ctid as place, xmin::text as xid, cmin::text::bigint as command,
        ${whole} as whole,
        ${text(columns.id)} as id, ${text(columns.aggregatetype)} as aggregatetype, ${text(columns.type)} as event_type,
        ${text(columns.aggregateid)} as key, ${created} as created_us, ${committed} as committed_us,
        ${size(columns.payload)} + ${size(columns.headers)} as bytes
      from ${quoteTable(table)}),
    letter as (
      select event_id,
        bool_or(status in ('open', 'parked', 'discarded') or closed_at >= ${values.add(facts.startedAt)}::timestamptz
          or (status = 'released' and system_identifier = ${values.add(facts.systemIdentifier)}
              and released_lsn >= ${values.add(facts.progressLsn)}::pg_lsn)) as is_out,
        bool_or(status = 'resubmitted') as is_resubmitted, bool_or(status = 'released') as is_released
      from outbox.dead_letter where slot = ${values.add(config.slot.name)} and event_id is not null group by event_id),
    latest as (
      select ${text(columns.id)} as id, max(${whole}) as whole from ${quoteTable(table)}
       where ${text(columns.id)} in (select event_id from letter where is_resubmitted) group by 1),
    chosen as (
      select event.*, coalesce(letter.is_released, false) as is_released,
        ${isFirst ? verdictOfFirst(selected, values) : verdictOfPublished(selected, values)} as verdict
      from event left join letter on letter.event_id = event.id left join latest on latest.id = event.id
      where ${condition(range, selected, values, selected.positionIds)})`;
}

/**
 * A row keeps 32 bits of the number of its transaction: the greatest number up to `last` that has these. As `wholeXid` in
 * relay/model/pg-snapshot.ts.
 */
export function wholeXid(last: string): string {
  return `case when xmin::text::bigint < 3 then 0
      else greatest(0, ${last} - ((${last} - xmin::text::bigint) & 4294967295)) end`;
}

function verdictOfPublished({ facts, range }: Selected, values: Values): string {
  const first = visibility(facts.first, values);
  const streamed = visibility(facts.streamed, values);
  return `case
    when event.id is null then 'without-id'
    when ${first} = 1 then 'before'
    when ${visibility(facts.covered, values)} <> 1 then 'pending'
    when ${streamed} <> -1 and not ${values.add(range.includesUnknown)}::boolean then 'unknown'
    ${ofLetters} else 'replay' end`;
}

function verdictOfFirst(selected: Selected, values: Values): string {
  const { facts, earlier } = selected;
  const done = earlier.map(({ id, range, order }) => {
    const within = condition(range, { ...selected, isEitherTime: false, facts: { ...facts, order } }, values);
    const refused = `select event_id from outbox.replay_refusal where replay_id = ${values.add(id)}`;
    return `when ${within} and event.id not in (${refused}) then 'done'`;
  });
  return `case
    when event.id is null then 'without-id'
    when ${visibility(facts.first, values)} <> 1 and ${visibility(facts.covered, values)} = 1 then 'streamed'
    when ${visibility(facts.first, values)} <> 1 then 'pending'
    ${done.join('\n    ')}
    ${ofLetters} else 'replay' end`;
}

const ofLetters = `when letter.is_out then 'dead-letter' when event.whole < latest.whole then 'replaced'`;

function condition(
  range: Range,
  { facts, isEitherTime }: Pick<Selected, 'facts' | 'isEitherTime'>,
  values: Values,
  positionIds: readonly string[] | null = null,
): string {
  const time = isEitherTime
    ? 'coalesce(event.committed_us, event.created_us)'
    : facts.order === 'commit'
      ? 'event.committed_us'
      : 'event.created_us';
  const us = (iso: string) => `trunc(extract(epoch from ${values.add(iso)}::timestamptz) * 1000000)::bigint`;
  const oneOf = (column: string, list: readonly string[] | null) =>
    list === null ? [] : [`${column} = any (${values.add(list)}::text[])`];
  const parts = [
    ...(range.from === null ? [] : [`${time} >= ${us(range.from)}`]),
    ...(range.until === null ? [] : [`${time} < ${us(range.until)}`]),
    ...oneOf('event.key', range.keys),
    ...oneOf('event.event_type', range.types),
    ...oneOf('event.aggregatetype', range.aggregatetypes),
    ...oneOf('event.id', range.ids),
    ...oneOf('event.id', positionIds),
    ...(range.isOfDeadLetters ? ['letter.event_id is not null'] : []),
  ];
  return parts.length === 0 ? 'true' : `coalesce(${parts.join(' and ')}, false)`;
}

/**
 * 1 if the snapshot shows the transaction, -1 if it does not, 0 if nobody can tell; also without a snapshot. As
 * `visibility` in relay/model/pg-snapshot.ts.
 */
export function visibility(text: string | null, values: Values): string {
  if (text === null) return '0';
  const { xmin, xmax, running }: PgSnapshot = parseSnapshot(text);
  const number = (value: bigint) => `${values.add(String(value))}::bigint`;
  const isRunning = `event.whole = any (${values.add([...running].map(String))}::bigint[])`;
  return `(case when event.whole < ${number(xmin)} then 1
    when event.whole >= ${number(xmax)} or ${isRunning} then -1 else ${running.size === 0 ? 1 : 0} end)`;
}

/** Where an event stands: events with the same `place` were committed together, or their order is not known. */
export function placeColumns({ facts }: Pick<Selected, 'facts'>): {
  readonly us: string;
  readonly xid: string;
} {
  if (facts.order === 'commit') return { us: 'coalesce(committed_us, 0)', xid: '0::bigint' };
  return { us: 'coalesce(created_us, 0)', xid: 'whole' };
}

/** Within one place: by statement, then by row. As `order` in relay/recover/gap.ts. */
export const withinPlace = 'command, created_us nulls first, relation, place';

/** How many events of the range have lost their commit time since the start. */
export async function countUntimed(client: pg.Client, selected: Selected): Promise<number> {
  const values = new Values();
  const range = rangeOf({});
  const rows = chosenRows({ ...selected, range, positionIds: null }, values);
  const sql = `${rows} select count(*) as events from chosen
    where verdict = 'replay' and committed_us is null and whole >= ${values.add(selected.facts.oldestXid)}::bigint`;
  const count = statement<{ events: string }>('replay.count_untimed', 'looking for commit times', sql);
  const [row] = await query(client, count, values.list);
  return Number(row!.events);
}
