/**
 * Which replays may have published an event again. A replay is known by its range; what it published is known only where its
 * record was read. So a range says "may", and never more.
 */
import type { Config } from '../../config/config.ts';
import { assertRowsShown } from '../../connect/postgres/rows-shown.ts';
import { type Client, query, statement } from '../../connect/postgres/statement.ts';
import { readReplays, type StoredReplay } from '../../ledger/replays.ts';
import type { Facts, Range } from '../../replay/range.ts';
import type { FoundReplay } from './found.ts';
import type { EventParts } from './parts.ts';

/** The latest: nobody looks at more of one event. */
const replaysMost = 200;

export type KnownReplay = StoredReplay & {
  readonly person: string | null;
  readonly reason: string | null;
};

export type Replays = {
  readonly replays: readonly KnownReplay[];
  readonly hasMore: boolean;
  /** What replays could not publish of the events. */
  readonly refusals: readonly {
    readonly replayId: string;
    readonly id: string;
    readonly code: string;
    readonly message: string;
  }[];
};

export const noReplays: Replays = { replays: [], hasMore: false, refusals: [] };

/** @throws RelayError POSTGRES_* */
export async function findReplays(client: Client, config: Config, ids: readonly string[]): Promise<Replays> {
  const all = await readReplays(client, config.slot.name);
  const latest = all.slice(0, replaysMost);
  const names = latest.map(({ id }) => id);
  const starts = await query(client, readStarts, [config.slot.name, names]);
  const refusals = await query(client, readRefusals, [names, ids]);
  await assertRowsShown(client, config, ['outbox.replay', 'outbox.replay_refusal', 'outbox.action']);
  const startOf = new Map(starts.map((each) => [each.target, each]));
  return {
    replays: latest.map((replay) => ({
      ...replay,
      person: startOf.get(replay.id)?.person ?? null,
      reason: startOf.get(replay.id)?.reason ?? null,
    })),
    hasMore: all.length > latest.length,
    refusals,
  };
}

const readStarts = statement<{ target: string; person: string; reason: string | null }>(
  'operations.read_starts_of_replays',
  'reading who started replays',
  `select target, person, note as reason from outbox.action
    where slot = $1 and action = 'replay' and target = any ($2::text[])`,
);

const readRefusals = statement<Replays['refusals'][number]>(
  'operations.read_refusals_of_events',
  'reading what replays could not publish',
  `select replay_id as "replayId", event_id as id, code, message from outbox.replay_refusal
    where replay_id = any ($1::text[]) and event_id = any ($2::text[])`,
);

/** Oldest first. Pure. */
export function replaysOf(parts: EventParts, { replays, refusals }: Replays): FoundReplay[] {
  const found: FoundReplay[] = [];
  for (const replay of replays) {
    const refusal = refusals.find((each) => each.replayId === replay.id && each.id === parts.id) ?? null;
    const isRead = parts.records.some(({ replayId }) => replayId === replay.id);
    if (!isRead && refusal === null && !mayCover(replay, parts)) continue;
    const { id, state, topic, startedAt, finishedAt, person, reason } = replay;
    const how = isRead ? 'published' : refusal !== null ? 'refused' : 'may-cover';
    found.push({
      id,
      state,
      topic,
      startedAt,
      finishedAt,
      person,
      reason,
      how,
      why: refusal === null ? null : `${refusal.code}: ${refusal.message}`,
    });
  }
  return found.reverse();
}

/** Pure. Exported for its test. False only where something known of the event lies outside of what was asked for. */
export function mayCover(
  {
    range: asked,
    facts,
    isFirst,
    startedAt,
  }: Pick<StoredReplay, 'range' | 'facts' | 'isFirst' | 'startedAt'>,
  { id, rows, letters, records }: EventParts,
): boolean {
  // A replay that an earlier release began may lack some.
  const { ids, keys, types, aggregatetypes, from, until, positions, isOfDeadLetters } =
    asked as Partial<Range>;
  const { order } = facts as Partial<Pick<Facts, 'order'>>;
  const own = records.filter(({ replayId }) => replayId === null);
  if (ids != null && (id === null || !ids.includes(id))) return false;
  const among = (wanted: readonly string[] | null | undefined, values: readonly (string | null)[]) => {
    const sure = values.filter((value) => value !== null);
    return wanted == null || sure.length === 0 || sure.some((value) => wanted.includes(value));
  };
  const all = [...rows, ...letters];
  if (!among(keys, [...rows, ...own].map(({ key }) => key).concat(letters.map((each) => each.aggregateid))))
    return false;
  if (
    !among(
      types,
      [...all, ...own].map(({ type }) => type),
    )
  )
    return false;
  if (
    !among(
      aggregatetypes,
      all.map(({ aggregatetype }) => aggregatetype),
    )
  )
    return false;
  const commits = [
    ...rows.map(({ committedAt }) => committedAt),
    ...own.map(({ committedAt }) => committedAt),
  ];
  const written = rows.map(({ createdAt }) => createdAt);
  const times = (order === 'writing' ? written : commits).filter((time) => time !== null);
  const isIn = (ms: number) =>
    (from == null || ms >= Math.floor(Date.parse(from))) && (until == null || ms <= Date.parse(until));
  if (times.length > 0 && !times.some((time) => isIn(Date.parse(time)))) return false;
  const begun = commits.filter((time) => time !== null);
  if (begun.length > 0 && begun.every((time) => Date.parse(time) > Date.parse(startedAt))) return false;
  const places = own.flatMap(({ position }) => (position === null ? [] : [position]));
  const { from: first = null, until: end = null } = positions ?? {};
  if (
    places.length > 0 &&
    !places.some((each) => (first === null || each >= first) && (end === null || each < end))
  )
    return false;
  // A letter that was purged since would not be here.
  if (
    isOfDeadLetters === true &&
    letters.length > 0 &&
    !letters.some(({ status }) => status === 'resubmitted' || status === 'released')
  )
    return false;
  const known = rows.map(({ progress }) => progress).filter((progress) => progress !== null);
  return !isFirst || known.length === 0 || known.includes('before');
}
