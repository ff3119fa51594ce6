/**
 * The people's side of parked keys: which there are, a request to release one, and what came of it. The relay does it, at
 * the place of the request in the stream; two people who press at once make one request.
 */
import type pg from 'pg';
import { query } from '../../connect/postgres/statement.ts';
import { positionText } from './letter.ts';
import { conditionOf, type Selection } from './selection.ts';

/** A key whose events wait. */
export type ParkedKeyView = {
  readonly topic: string;
  readonly key: string;
  /** Position of the refused event that parked it. */
  readonly since: string;
  /** ISO 8601, UTC. */
  readonly parkedAt: string;
  /** Its refused events that are open, and those that wait behind. */
  readonly open: number;
  readonly parked: number;
  /** The first of them that is open: what a release stops at, unless it was fixed. null where none is. */
  readonly first: { readonly position: string; readonly code: string; readonly path: string | null } | null;
  readonly isBeingReleased: boolean;
};

export type KeySelection = {
  /** Keys that one of these dead letters has. */
  readonly letters?: Selection;
  readonly topics?: readonly string[];
  readonly keys?: readonly string[];
};

type Row = {
  topic: string;
  key: string;
  commit_lsn: string;
  ordinal: string;
  parked_at: Date;
  open: string;
  parked: string;
  first_commit_lsn: string | null;
  first_ordinal: string | null;
  first_code: string;
  first_path: string | null;
  is_being_released: boolean;
};

/** Parked the longest first. @throws RelayError POSTGRES_* */
export async function listParkedKeys(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  { letters, topics, keys }: KeySelection,
): Promise<ParkedKeyView[]> {
  const named = conditionOf(slot, letters ?? {});
  const next = named.values.length + 1;
  const rows = await query<Row>(
    client,
    'reading the parked keys',
    `select p.topic, p.key, p.commit_lsn::text, p.ordinal, p.parked_at, waiting.*,
            first.commit_lsn::text as first_commit_lsn, first.ordinal as first_ordinal, first.code as first_code,
            first.path as first_path,
            exists (select from outbox.key_release as r where r.slot = p.slot and r.topic = p.topic and r.key = p.key
                      and r.outcome is null) as is_being_released
       from outbox.parked_key as p
       cross join lateral (select count(*) filter (where status = 'open') as open,
                                  count(*) filter (where status = 'parked') as parked
                             from outbox.dead_letter as letter where ${waits}) as waiting
       left join lateral (select commit_lsn, ordinal, code, path from outbox.dead_letter as letter
                           where ${waits} and status = 'open' order by commit_lsn, ordinal limit 1) as first on true
      where p.slot = $1 and p.released_lsn is null
        and ($${next}::text[] is null or p.topic = any ($${next}))
        and ($${next + 1}::text[] is null or p.key = any ($${next + 1}))
        ${letters === undefined ? '' : `and (p.topic, p.key) in (select letter.topic, letter.aggregateid from outbox.dead_letter as letter where ${named.text})`}
      order by p.commit_lsn, p.ordinal`,
    [...named.values, topics ?? null, keys ?? null],
  );
  return rows.map(toView);
}

const waits = `letter.slot = p.slot and letter.topic = p.topic and letter.aggregateid = p.key
  and hashtextextended(letter.aggregateid, 0) = hashtextextended(p.key, 0) and letter.status in ('open', 'parked')
  and letter.system_identifier = p.system_identifier and (letter.commit_lsn, letter.ordinal) >= (p.commit_lsn, p.ordinal)`;

function toView(row: Row): ParkedKeyView {
  return {
    topic: row.topic,
    key: row.key,
    since: positionText(row.commit_lsn, row.ordinal),
    parkedAt: row.parked_at.toISOString(),
    open: Number(row.open),
    parked: Number(row.parked),
    first:
      row.first_commit_lsn === null || row.first_ordinal === null
        ? null
        : {
            position: positionText(row.first_commit_lsn, row.first_ordinal),
            code: row.first_code,
            path: row.first_path,
          },
    isBeingReleased: row.is_being_released,
  };
}

/** @returns number of the request; undefined when the key is not parked. @throws RelayError POSTGRES_* */
export async function requestRelease(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  { topic, key }: Pick<ParkedKeyView, 'topic' | 'key'>,
  person: string,
  note: string | null,
): Promise<number | undefined> {
  const [row] = await query<{ request: string | null }>(
    client,
    'asking for a release',
    'select outbox.request_release($1, $2, $3, $4, $5) as request',
    [slot, topic, key, person, note],
  );
  return row?.request == null ? undefined : Number(row.request);
}

export type Outcome = {
  readonly request: number;
  readonly outcome: 'released' | 'refused' | 'limited';
  readonly published: number;
};

/** Of those of the requests that are done. @throws RelayError POSTGRES_* */
export async function readOutcomes(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  requests: readonly number[],
): Promise<Outcome[]> {
  const rows = await query<{ id: string; outcome: Outcome['outcome']; published: string }>(
    client,
    'reading what came of a release',
    `select id, outcome, published from outbox.key_release
     where slot = $1 and id = any ($2::bigint[]) and outcome is not null`,
    [slot, requests],
  );
  return rows.map(({ id, outcome, published }) => ({
    request: Number(id),
    outcome,
    published: Number(published),
  }));
}
