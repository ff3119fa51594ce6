/**
 * What people did to the relay of a slot, to its dead letters and to its parked keys, as the audit trail has it, the latest
 * first: one list, for who comes next. What one person did to many dead letters or keys at once, for one reason, is one
 * entry. Promise: every entry of the trail is counted in exactly one.
 */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { positionText } from './dead-letters/letter.ts';
import { withPool } from './with-pool.ts';

export type RecordedAction = {
  /** Unique among all. */
  readonly id: string;
  /** Of the last one, ISO 8601, UTC. */
  readonly at: string;
  /** Of the first one. */
  readonly since: string;
  readonly action: string;
  readonly on: 'relay' | 'dead-letters' | 'keys';
  /** How many it was done to. */
  readonly count: number;
  /** Whether there are more of them, which begin the next page. */
  readonly isCut: boolean;
  /** For example a topic; the position of a single dead letter; topic and key of a single key. null for the whole, or for many. */
  readonly target: string | null;
  readonly person: string;
  /** Of the database, in which the person acted. */
  readonly role: string;
  readonly reason: string | null;
  /** JSON, as Postgres prints it. */
  readonly details: string;
};

export type RecordedActions = {
  readonly actions: readonly RecordedAction[];
  /** Where the next page begins; null where there is none. */
  readonly next: string | null;
};

/** How far back each of the three tables was read; empty where it was not. */
export const cursorPattern = /^(\d{1,18})?\.(\d{1,18})?\.(\d{1,18})?$/;

/** @param before as `next` of the page before @throws RelayError POSTGRES_* */
export function recentActions(
  config: Config,
  limit: number,
  before: string | null = null,
): Promise<RecordedActions> {
  return withPool(config, async (pool) => {
    const cursors = (before ?? '..').split('.').map((id) => (id === '' ? null : id));
    const sources = [];
    for (const [index, source] of [ofRelay, ofLetters, ofKeys].entries())
      sources.push(await runsOf(pool, source, config.slot.name, cursors[index] ?? null, limit));
    await assertRowsShown(pool, config, ['outbox.action', 'outbox.dead_letter_action', 'outbox.key_release']);
    const { actions, used } = merged(
      sources.map(({ runs }) => runs),
      limit,
    );
    const isMore = sources.some(({ runs, isMore }, index) => isMore || runs.length > used[index]!);
    const lasts = sources.map(({ runs }, index) => runs[used[index]! - 1]?.firstId ?? cursors[index] ?? '');
    return { actions, next: isMore ? lasts.join('.') : null };
  });
}

type Run = { readonly action: RecordedAction; readonly atMicros: number; readonly firstId: string };

/** Takes the latest of the sources again and again, each of which has its own latest first. */
function merged(sources: readonly (readonly Run[])[], limit: number) {
  const used = sources.map(() => 0);
  const actions: RecordedAction[] = [];
  while (actions.length < limit) {
    const heads = sources.map((runs, index) => runs[used[index]!]?.atMicros ?? Number.NEGATIVE_INFINITY);
    const latest = Math.max(...heads);
    if (latest === Number.NEGATIVE_INFINITY) break;
    const source = heads.indexOf(latest);
    actions.push(sources[source]![used[source]!]!.action);
    used[source]! += 1;
  }
  return { actions, used };
}

type Source = {
  readonly on: RecordedAction['on'];
  readonly statement: ReturnType<typeof statement<RunRow>>;
  readonly targetOf: (row: RunRow) => string | null;
};

type RunRow = {
  first_id: string;
  last_id: string;
  at: Date;
  /** The same in µs since 1970: two acts may fall into one millisecond. */
  at_micros: string;
  since: Date;
  action: string;
  /** Without the entry beyond the page; 0 where it has no other. */
  count: string;
  /** Whether it has the entry beyond the page. */
  is_cut: boolean;
  target: string | null;
  ordinal: string | null;
  person: string;
  role: string;
  reason: string | null;
  details: string;
};

async function runsOf(
  pool: pg.Pool,
  { on, statement: read, targetOf }: Source,
  slot: string,
  before: string | null,
  limit: number,
): Promise<{ readonly runs: readonly Run[]; readonly isMore: boolean }> {
  // One more says whether there is a next page.
  const rows = await query(pool, read, [slot, before, limit + 1]);
  const runs = rows.flatMap((row): Run[] => {
    const { first_id, last_id, at, at_micros, since, action, person, role, reason, details } = row;
    const count = Number(row.count);
    if (count === 0) return [];
    const isCut = row.is_cut;
    const target = count === 1 && !isCut ? targetOf(row) : null;
    const shown = { id: `${on} ${last_id}`, at: at.toISOString(), since: since.toISOString() };
    return [
      {
        action: { ...shown, action, on, count, isCut, target, person, role, reason, details },
        atMicros: Number(at_micros),
        firstId: first_id,
      },
    ];
  });
  return { runs, isMore: rows.some(({ is_cut }) => is_cut) };
}

/** Entries that are read for a page: enough for a fix of very many to be one line, and some 50 ms in Postgres. */
const entriesMax = 20_000;

/**
 * Entries that follow each other are one run where the same person did the same for the same reason, without a pause of
 * minutes between. Of what stands alone each is its own.
 */
const runs = (from: string, isAlone: boolean, details: string) => `
  with recent as (${from} order by id desc limit ${entriesMax + 1}),
       marked as (select recent.*, (row_number() over later) as number, ${
         isAlone
           ? 'true'
           : `(action, person, session_role, coalesce(note, '')) is distinct from
               (lag(action) over later, lag(person) over later, lag(session_role) over later, lag(coalesce(note, '')) over later)
               or lag(acted_at) over later - acted_at > interval '5 minutes'`
       } as begins
                    from recent window later as (order by id desc)),
       numbered as (select marked.*, sum(begins::int) over (order by id desc) as run from marked)
  select (min(id) filter (where number <= ${entriesMax}))::text as first_id, max(id)::text as last_id,
         max(acted_at) as at, (extract(epoch from max(acted_at)) * 1000000)::bigint as at_micros, min(acted_at) as since, action, count(*) filter (where number <= ${entriesMax}) as count,
         bool_or(number > ${entriesMax}) as is_cut, min(target) as target, min(ordinal) as ordinal,
         person, session_role as role, note as reason, ${details} as details
    from numbered group by run, action, person, session_role, note order by run limit $3`;

/** What came of releases; only what there is. */
const outcomes = `json_strip_nulls(json_build_object(${[
  ...(['released', 'refused', 'limited', 'set-aside'] as const).map(
    (name) => [name, `outcome = '${name}'`] as const,
  ),
  ['not done yet', 'outcome is null'] as const,
]
  .map(([name, condition]) => `'${name}', nullif(count(*) filter (where ${condition}), 0)`)
  .join(', ')}, 'events published', nullif(sum(published), 0)))::text`;

const columns = 'action, person, session_role, note, acted_at';
const ofSlot = 'where slot = $1 and ($2::bigint is null or id < $2)';

const ofRelay: Source = {
  on: 'relay',
  statement: statement<RunRow>(
    'operations.read_actions',
    'reading the audit trail',
    runs(
      `select id, ${columns}, nullif(target, '') as target, null::bigint as ordinal, details from outbox.action ${ofSlot}`,
      true,
      'min(details::text)',
    ),
  ),
  targetOf: ({ target }) => target,
};

const ofLetters: Source = {
  on: 'dead-letters',
  statement: statement<RunRow>(
    'operations.read_actions_on_letters',
    'reading the audit trail of the dead letters',
    runs(
      `select id, ${columns}, commit_lsn::text as target, ordinal from outbox.dead_letter_action ${ofSlot}`,
      false,
      `'{}'`,
    ),
  ),
  targetOf: ({ target, ordinal }) => positionText(target!, ordinal!),
};

const ofKeys: Source = {
  on: 'keys',
  statement: statement<RunRow>(
    'operations.read_actions_on_keys',
    'reading the audit trail of the parked keys',
    runs(
      `select id, 'release' as action, person, session_role, note, requested_at as acted_at, topic || ' ' || key as target,
              null::bigint as ordinal, outcome, published from outbox.key_release ${ofSlot}`,
      false,
      outcomes,
    ),
  ),
  targetOf: ({ target }) => target,
};
