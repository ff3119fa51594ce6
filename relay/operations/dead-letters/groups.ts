/**
 * Which causes the dead letters have: those of one code, type, topic and path are one group. Changes nothing. Every number
 * is exact, of all dead letters of the selection.
 */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { withPool } from '../with-pool.ts';
import { conditionOf, pathPattern, type Selection } from './selection.ts';
import { assertLettersShown } from './transaction.ts';

export type LetterGroup = {
  readonly code: string;
  /** null where they have none; as is an empty one. */
  readonly type: string | null;
  readonly aggregatetype: string | null;
  readonly topic: string | null;
  /** With `[*]` for the index of an array. */
  readonly path: string | null;
  /** Of the oldest. */
  readonly message: string;
  readonly count: number;
  /** ISO 8601, UTC. */
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly oldestPosition: string;
};

export type LetterGroups = {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Dead letters in all groups, those that are left out too. */
  readonly total: number;
  /** Largest first. */
  readonly groups: readonly LetterGroup[];
  /** Groups that are left out, because they are smaller than all of these. */
  readonly groupsLeftOut: number;
};

/** More causes than a person looks through. Types come from rows, so there may be as many groups as dead letters. */
export const groupsMax = 500;

/** @throws RelayError POSTGRES_* */
export function groupDeadLetters(
  config: Config,
  selection: Selection,
  limit: number = groupsMax,
): Promise<LetterGroups> {
  return withPool(config, async (pool) => {
    const groups = await readGroups(pool, config.slot.name, selection, limit);
    await assertLettersShown(pool, config);
    return groups;
  });
}

type Row = {
  at: Date;
  total: string;
  groups: string;
  code: string;
  type: string;
  aggregatetype: string;
  topic: string;
  path: string;
  message: string;
  count: string;
  first_seen: Date;
  last_seen: Date;
  oldest: string;
};

/**
 * Grouped twice: by the path as it is first, so that the pattern is worked out once for each path and not for each dead
 * letter. The oldest position is the least of texts of fixed width, since Postgres before 18 has no least row.
 */
const grouped = (condition: string) => `
  select code, type, aggregatetype, topic, ${pathPattern} as path, sum(count) as count,
         min(first_seen) as first_seen, max(last_seen) as last_seen, min(oldest collate "C") as oldest
    from (select code, coalesce(type, '') as type, coalesce(aggregatetype, '') as aggregatetype,
                 coalesce(topic, '') as topic, path, count(*) as count, min(first_seen) as first_seen,
                 max(first_seen) as last_seen,
                 min(encode(pg_lsn_send(commit_lsn) || int8send(ordinal), 'hex') collate "C") as oldest
            from outbox.dead_letter as letter where ${condition} group by 1, 2, 3, 4, 5) as letter
   group by 1, 2, 3, 4, 5`;

/** For a test of its plan; others call `groupDeadLetters`. */
export async function readGroups(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  selection: Selection,
  limit: number,
): Promise<LetterGroups> {
  const { text, values } = conditionOf(slot, selection);
  const rows = await query(
    client,
    statement<Row>(
      'operations.group_letters',
      'grouping the dead letters',
      `with causes as materialized (${grouped(text)}),
            largest as (select * from causes order by count desc, code, type, topic, path limit ${limit})
       select now() as at, totals.*, largest.*,
              (select message from outbox.dead_letter as letter where letter.slot = $1
                 and letter.commit_lsn = (left(oldest, 8) || '/' || substr(oldest, 9, 8))::pg_lsn
                 and letter.ordinal = ('x' || right(oldest, 16))::bit(64)::bigint) as message
         from (select coalesce(sum(count), 0) as total, count(*) as groups from causes) as totals
         left join largest on true order by count desc, code, type, topic, path`,
    ),
    values,
  );
  const { at, total, groups } = rows[0]!;
  const shown = rows.filter(({ code }) => code !== null).map(toGroup);
  return {
    at: at.toISOString(),
    total: Number(total),
    groups: shown,
    groupsLeftOut: Number(groups) - shown.length,
  };
}

const orNone = (text: string) => (text === '' ? null : text);

function toGroup(row: Row): LetterGroup {
  return {
    code: row.code,
    type: orNone(row.type),
    aggregatetype: orNone(row.aggregatetype),
    topic: orNone(row.topic),
    path: orNone(row.path),
    message: row.message,
    count: Number(row.count),
    firstSeen: row.first_seen.toISOString(),
    lastSeen: row.last_seen.toISOString(),
    // As a position is written, but for the dot: an ordinal has 8 digits of these 16.
    oldestPosition: `${row.oldest.slice(0, 16)}.${row.oldest.slice(24)}`,
  };
}
