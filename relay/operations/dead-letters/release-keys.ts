/**
 * Releases parked keys. An operation only requests it: the relay publishes what waits, at the place of the request in the
 * stream. Two people who ask at the same time make one request.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { RequestInvalid } from '../../errors.ts';
import type { Actor } from '../actor.ts';
import { withPool } from '../with-pool.ts';
import { positionText } from './letter.ts';
import { conditionOf, type Selection } from './selection.ts';
import { nameOf, setAsideTopics } from './set-aside.ts';
import { assertLettersShown } from './transaction.ts';
import { waits } from './waits.ts';

/** A parked key. */
export type ParkedKeyView = {
  readonly topic: string;
  readonly key: string;
  /** Position of the refused event that parked it. */
  readonly since: string;
  /** ISO 8601, UTC. */
  readonly parkedAt: string;
  /** Its open dead letters, and the events that wait behind them. */
  readonly open: number;
  readonly parked: number;
  /** The first open one, at which a release stops unless it was fixed; null where none is open. */
  readonly first: { readonly position: string; readonly code: string; readonly path: string | null } | null;
  readonly isBeingReleased: boolean;
};

export type KeySelection = {
  /** Keys of these dead letters. */
  readonly letters?: Selection;
  readonly topics?: readonly string[];
  readonly keys?: readonly string[];
  /** These keys of these topics, and no others. */
  readonly pairs?: readonly { readonly topic: string; readonly key: string }[];
};

export type KeyRelease = ParkedKeyView & {
  /**
   * `refused`: stopped at an event that is still refused. `set-aside`: people have set the topic aside, or the one to which
   * its events go now, so nothing of it is published. `pending`: the relay has not met the request yet. `not-parked`:
   * somebody else was faster. null where nothing was requested.
   */
  readonly outcome: 'released' | 'refused' | 'set-aside' | 'pending' | 'not-parked' | null;
  readonly published: number;
  /** Refused again, and dead letters: those that the release passed, and the one at which it stopped. */
  readonly refused: number;
  /** Where the outcome is `set-aside`: the topics that are; empty where this cannot be told from the settings here. */
  readonly setAside: readonly string[];
};

/** Parked keys, longest first; changes nothing. @throws RequestInvalid where none is parked; RelayError POSTGRES_* */
export function previewRelease(config: Config, selection: KeySelection): Promise<KeyRelease[]> {
  return withPool(config, async (pool) => {
    const keys = await findKeys(pool, config, selection);
    return keys.map((key) => ({ ...key, outcome: null, published: 0, refused: 0, setAside: [] }));
  });
}

export type Releasing = {
  readonly config: Config;
  readonly selection: KeySelection;
  readonly actor: Actor;
  /** How long to wait for a relay that makes no progress, in ms. */
  readonly waitMs: number;
  readonly onProgress: (done: number, of: number) => void;
  /** Ends the waiting; what was requested stays so. */
  readonly signal?: AbortSignal;
};

/**
 * Requests the release of each key, and waits until the relay has done it.
 * @throws RequestInvalid where none of those named is parked; RelayError POSTGRES_*
 */
export function releaseKeys(releasing: Releasing): Promise<KeyRelease[]> {
  const { config, selection } = releasing;
  return withPool(config, async (pool) =>
    awaitReleases(pool, releasing, await findKeys(pool, config, selection)),
  );
}

async function findKeys(pool: pg.Pool, config: Config, selection: KeySelection): Promise<ParkedKeyView[]> {
  const keys = await listParkedKeys(pool, config.slot.name, selection);
  await assertLettersShown(pool, config);
  // All of none is none; a name of which nothing is parked may be mistyped.
  if (keys.length === 0 && Object.keys(selection).length > 0)
    throw new RequestInvalid(`no such key is parked in slot ${config.slot.name}`);
  return keys;
}

const pollMs = 100;
/** The relay meets the requests in their order. */
const lookedAtMax = 500;

/** A release that was cut at the limit of one Kafka transaction is requested again, until all that waits is published. */
async function awaitReleases(
  pool: pg.Pool,
  { config, actor, waitMs, onProgress, signal }: Releasing,
  keys: readonly ParkedKeyView[],
): Promise<KeyRelease[]> {
  if (keys.length === 0) return [];
  const { name: slot } = config.slot;
  const done = new Map<ParkedKeyView, KeyRelease>(
    keys.map((key) => [key, { ...key, outcome: 'pending', published: 0, refused: 0, setAside: [] }]),
  );
  const pending = new Map<number, ParkedKeyView>();
  const ask = async (key: ParkedKeyView) => {
    const request = await requestRelease(pool, slot, key, actor);
    if (request === undefined) done.set(key, { ...done.get(key)!, outcome: 'not-parked' });
    else pending.set(request, key);
  };
  for (const key of keys) if (signal?.aborted !== true) await ask(key);
  let untilMs = performance.now() + waitMs;
  while (pending.size > 0) {
    const outcomes = await readOutcomes(pool, slot, [...pending.keys()].slice(0, lookedAtMax));
    for (const { request, outcome, published, refused } of outcomes) {
      const key = pending.get(request)!;
      pending.delete(request);
      const before = done.get(key)!;
      const isLimited = outcome === 'limited';
      done.set(key, {
        ...before,
        outcome: isLimited ? 'pending' : outcome,
        published: before.published + published,
        refused: before.refused + refused,
      });
      if (isLimited) await ask(key);
      untilMs = performance.now() + waitMs;
      onProgress(keys.length - pending.size, keys.length);
    }
    if (performance.now() >= untilMs || signal?.aborted === true) break;
    if (outcomes.length === 0) await delay(pollMs);
  }
  const named = await asTheyAre(pool, slot, [...done.values()]);
  const aside = await setAsideTopics(
    pool,
    config,
    named.filter(({ outcome }) => outcome === 'set-aside'),
  );
  return named.map((each) => ({ ...each, setAside: aside.get(nameOf(each)) ?? [] }));
}

/** The same keys with what waits for each now. */
async function asTheyAre(pool: pg.Pool, slot: string, done: readonly KeyRelease[]): Promise<KeyRelease[]> {
  const now = await listParkedKeys(pool, slot, {
    topics: [...new Set(done.map(({ topic }) => topic))],
    keys: done.map(({ key }) => key),
  });
  const byName = new Map(now.map((each) => [nameOf(each), each]));
  return done.map((each) => {
    const still = byName.get(nameOf(each));
    return { ...each, ...(still ?? { open: 0, parked: 0, first: null, isBeingReleased: false }) };
  });
}

export type ParkedRow = {
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

/** Longest parked first. @throws RelayError POSTGRES_* */
export async function listParkedKeys(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  { letters, topics, keys, pairs }: KeySelection,
): Promise<ParkedKeyView[]> {
  const named = conditionOf(slot, letters ?? {});
  const next = named.values.length + 1;
  const rows = await query(
    client,
    statement<ParkedRow>(
      'operations.read_parked_keys',
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
        and ($${next + 2}::text[] is null
             or (p.topic, p.key) in (select * from unnest($${next + 2}::text[], $${next + 3}::text[])))
        ${letters === undefined ? '' : `and (p.topic, p.key) in (select letter.topic, letter.aggregateid from outbox.dead_letter as letter where ${named.text})`}
      order by p.commit_lsn, p.ordinal`,
    ),
    [
      ...named.values,
      topics ?? null,
      keys ?? null,
      pairs?.map(({ topic }) => topic) ?? null,
      pairs?.map(({ key }) => key) ?? null,
    ],
  );
  return rows.map(toView);
}

export function toView(row: ParkedRow): ParkedKeyView {
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
  { person, reason }: Actor,
): Promise<number | undefined> {
  const [row] = await query(
    client,
    statement<{ request: string | null }>(
      'operations.request_release',
      'requesting a release',
      'select outbox.request_release($1, $2, $3, $4, $5) as request',
    ),
    [slot, topic, key, person, reason],
  );
  return row?.request == null ? undefined : Number(row.request);
}

type RequestOutcome = {
  readonly request: number;
  readonly outcome: 'released' | 'refused' | 'limited' | 'set-aside';
  readonly published: number;
  readonly refused: number;
};

/** Of the requests that are done. */
async function readOutcomes(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  requests: readonly number[],
): Promise<RequestOutcome[]> {
  const rows = await query(
    client,
    statement<{ id: string; outcome: RequestOutcome['outcome']; published: string; refused: string | null }>(
      'operations.read_release_outcomes',
      'reading the outcome of releases',
      `select id, outcome, published, refused from outbox.key_release
     where slot = $1 and id = any ($2::bigint[]) and outcome is not null`,
    ),
    [slot, requests],
  );
  return rows.map(({ id, outcome, published, refused }) => ({
    request: Number(id),
    outcome,
    published: Number(published),
    refused: Number(refused ?? 0),
  }));
}
