/** What a replay would publish, what it leaves out and why, and what a person has to decide first. Changes nothing. */
import type pg from 'pg';
import { findCompacted } from '../audit/compacted.ts';
import { listTopics } from '../audit/read-topics.ts';
import type { Config } from '../config/config.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import type { Servers } from '../connect/servers.ts';
import { Router } from '../encode/route.ts';
import { RequestInvalid } from '../errors.ts';
import { readReplays } from '../ledger/replays.ts';
import { counted as countedNoun } from '../model/counted.ts';
import { formatLsn } from '../model/position.ts';
import { findAbsent } from './absent.ts';
import { type KnownPublished, readKnown } from './known.ts';
import { idsAt } from './positions.ts';
import type { Facts, Order, Range } from './range.ts';
import { chosenRows, type Selected, Values, type Verdict } from './selection.ts';

export type PlanOptions = {
  readonly config: Config;
  readonly range: Range;
  /** Where all events go; null: each to its own topic. */
  readonly topic: string | null;
  /** Of events from before the first start. */
  readonly isFirst: boolean;
  /** By what the rows say, although Postgres does not know the order of their commits. */
  readonly acceptsWritingOrder: boolean;
  /** Into a topic that keeps only the last record of a key, which then is an old one. */
  readonly acceptsCompacted: boolean;
};

export type Group = {
  /** null if no allowed topic. */
  readonly topic: string | null;
  readonly type: string;
  readonly events: number;
  /** Of payload and headers, as they are stored. */
  readonly bytes: number;
  /** ISO times of the first and last event; null if unknown. */
  readonly first: string | null;
  readonly last: string | null;
};

export type Plan = {
  readonly facts: Facts;
  readonly events: number;
  readonly bytes: number;
  /** The largest ones; `otherGroups` says how many more there are. */
  readonly groups: readonly Group[];
  readonly otherGroups: number;
  /** Rows of the range that are left out. */
  readonly leftOut: Readonly<Record<Exclude<Verdict, 'replay'>, number>>;
  readonly order: Order;
  /** Why it cannot begin as it was asked for, each with the option that decides. */
  readonly doubts: readonly string[];
};

/** Groups that are kept: types come from rows and may be made up without end. */
const groupsMax = 1_000;

/** Reads within a snapshot that `client` has open. */
export async function plan(
  means: Servers,
  client: pg.Client,
  options: PlanOptions,
): Promise<{ readonly plan: Plan; readonly selected: Selected }> {
  const { config, range, topic, isFirst } = options;
  const known = await readKnown(means);
  assertKnown(known, isFirst);
  const clock = await readClock(client);
  const replays = isFirst ? await readReplays(means.pool, config.slot.name) : [];
  const earlier = replays
    .filter((replay) => replay.isFirst && replay.topic === topic)
    .map(({ id, state, range, facts }) => ({
      id,
      state,
      range: range as Range,
      order: (facts as Facts).order,
    }));
  const unfinished = earlier.find(({ state }) => state !== 'done');
  if (unfinished !== undefined)
    throw new RequestInvalid(
      `replay ${unfinished.id} has begun to publish what was written before the first start: continue it with --resume ${unfinished.id}`,
    );
  const { xmax, hasCommitTimes } = clock;
  const base = { config, range, isFirst, earlier, xmax, hasCommitTimes };
  const positionIds = await idsAt(means, range);
  const absent = await findAbsent(client, { config, range, positionIds, isFirst });
  const facts = (order: Order, oldestXid = '0'): Facts => ({
    systemIdentifier: known.systemIdentifier,
    startedAt: clock.at,
    ...known.snapshots,
    progressLsn: formatLsn(known.progressLsn),
    order,
    oldestXid,
    absent,
    excludes: earlier.map(({ id }) => id),
  });
  const selected = (order: Order, isEitherTime: boolean): Selected => ({
    ...base,
    facts: facts(order),
    isEitherTime,
    positionIds,
  });
  let order: Order = 'commit';
  let counted = await count(client, config, selected('commit', true));
  if (counted.untimed > 0) {
    order = 'writing';
    counted = await count(client, config, selected('writing', false));
  }
  const chosen = { ...selected(order, false), facts: facts(order, counted.oldestXid) };
  const doubts = [
    ...(await orderDoubts(client, chosen, options, counted.events)),
    ...(await compactionDoubts(means, counted.groups, options)),
  ];
  return { plan: { facts: chosen.facts, order, doubts, ...counted }, selected: chosen };
}

function assertKnown({ snapshots }: KnownPublished, isFirst: boolean): void {
  if (isFirst && snapshots.first === null)
    throw new RequestInvalid(
      'it is not known which events were written before the first start: the slot was made by something else, or by a release that kept no snapshot',
    );
  if (!isFirst && snapshots.covered === null)
    throw new RequestInvalid(
      'it is not known what is published: let a relay stream for some heartbeats (capture.heartbeatMs), then try again',
    );
}

type Clock = { readonly at: string; readonly xmax: string; readonly hasCommitTimes: boolean };

export async function readClock(client: pg.Client): Promise<Clock> {
  const [row] = await query(client, clock);
  return row!;
}

const clock = statement<Clock>(
  'replay.read_clock',
  'reading the clock',
  `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at,
    pg_snapshot_xmax(pg_current_snapshot())::text as xmax,
    current_setting('track_commit_timestamp')::bool as "hasCommitTimes"`,
);

type CountRow = {
  verdict: Verdict;
  isTotal: boolean;
  aggregatetype: string | null;
  type: string | null;
  events: string;
  bytes: string;
  untimed: string;
  first: string | null;
  last: string | null;
  oldestXid: string;
  groups: string;
};

async function count(client: pg.Client, config: Config, selected: Selected) {
  const values = new Values();
  const rows = chosenRows(selected, values);
  const time = (edge: 'min' | 'max') => `${edge}(coalesce(committed_us, created_us))::text`;
  const sql = `${rows}, counted as (
      select verdict, grouping(aggregatetype, event_type) > 0 as "isTotal", aggregatetype, event_type as type,
        count(*) as events, sum(bytes) as bytes, count(*) filter (where committed_us is null) as untimed,
        ${time('min')} as first, ${time('max')} as last, min(whole)::text as "oldestXid"
      from chosen group by grouping sets ((verdict), (verdict, aggregatetype, event_type)))
    select *, count(*) over (partition by verdict, "isTotal") as groups from counted
     where "isTotal" or verdict = 'replay' order by "isTotal" desc, events desc, aggregatetype, type limit ${groupsMax}`;
  const counts = await query(
    client,
    statement<CountRow>('replay.count_events', 'counting the events', sql),
    values.list,
  );
  const totals = counts.filter(({ isTotal }) => isTotal);
  const groups = counts.filter(({ isTotal }) => !isTotal);
  const total = totals.find(({ verdict }) => verdict === 'replay');
  const router = new Router(config);
  return {
    events: Number(total?.events ?? 0),
    bytes: Number(total?.bytes ?? 0),
    untimed: Number(total?.untimed ?? 0),
    oldestXid: total?.oldestXid ?? '0',
    groups: groups.map(({ aggregatetype, type, events, bytes, first, last }) => ({
      topic: router.topic(aggregatetype ?? '', type) ?? null,
      type: type ?? '',
      events: Number(events),
      bytes: Number(bytes),
      first: isoOf(first),
      last: isoOf(last),
    })),
    otherGroups: Number(groups[0]?.groups ?? 0) - groups.length,
    leftOut: leftOutOf(totals),
  };
}

function leftOutOf(totals: readonly CountRow[]): Plan['leftOut'] {
  const of = (verdict: Verdict) => Number(totals.find((row) => row.verdict === verdict)?.events ?? 0);
  return {
    before: of('before'),
    pending: of('pending'),
    streamed: of('streamed'),
    unknown: of('unknown'),
    'dead-letter': of('dead-letter'),
    replaced: of('replaced'),
    'without-id': of('without-id'),
    done: of('done'),
  };
}

/** The latest time of a Date; Postgres has later ones. */
const latestUs = 8_640_000_000_000_000_000n;

function isoOf(us: string | null): string | null {
  if (us === null || BigInt(us) > latestUs) return null;
  return new Date(Number(BigInt(us) / 1000n)).toISOString();
}

/** Within one transaction the order is known, and so it is across keys. */
async function orderDoubts(
  client: pg.Client,
  selected: Selected,
  { range, acceptsWritingOrder }: PlanOptions,
  events: number,
): Promise<string[]> {
  if (selected.facts.order === 'commit' || acceptsWritingOrder || events < 2) return [];
  const { createdAt } = selected.config.outbox.columns;
  if (createdAt === '' && (range.from ?? range.until) !== null)
    return [
      'the range has times, but Postgres kept no commit time of some events, and the table has no column created_at',
    ];
  const values = new Values();
  const sql = `${chosenRows(selected, values)}
    select count(*) as keys from (
      select from chosen where verdict = 'replay' group by key having count(distinct xid) > 1) as uncertain`;
  const [row] = await query(
    client,
    statement<{ keys: string }>('replay.count_uncertain_keys', 'counting the events', sql),
    values.list,
  );
  if (Number(row!.keys) === 0) return [];
  const state = selected.hasCommitTimes ? 'on now, but was off when they were written' : 'off';
  return [
    `the commit order of the events of ${countedNoun(Number(row!.keys), 'key')} is not known (track_commit_timestamp is ${state}): --by-writing-order sorts them by created_at, which is the order of the commits if writers lock the aggregate`,
  ];
}

/** A compacted topic keeps the last record of a key: of a key that goes on after the range, that would be an old one. */
async function compactionDoubts(
  { admin }: Servers,
  groups: readonly Group[],
  { topic, acceptsCompacted }: PlanOptions,
): Promise<string[]> {
  if (acceptsCompacted) return [];
  const topics = [...new Set(topic === null ? groups.map((group) => group.topic) : [topic])];
  const existing = new Set(await listTopics(admin));
  const named = topics.filter((name) => name !== null && existing.has(name)) as string[];
  const compacted = await findCompacted(admin, named);
  if (compacted === undefined)
    return [
      'the settings of the topics may not be read, so they may be compacted: grant DESCRIBE_CONFIGS, or add --into-compacted',
    ];
  const names = [...compacted.keys()];
  if (names.length === 0) return [];
  return [
    `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} compacted: Kafka keeps only the last record of each key, which after a replay is an old one, and removes the present one. --into-compacted does it anyway`,
  ];
}
