/**
 * Finds which topics keep the keys from being released that people have set aside: the topic for which a key waits, or, where
 * the settings have changed since it was parked, the one to which what waits goes now.
 */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { Router } from '../../encode/route.ts';
import { readControl } from '../../ledger/control.ts';
import { activePauses } from '../../model/control.ts';
import { waits } from './waits.ts';

export type ParkedName = { readonly topic: string; readonly key: string };

/** By topic and key, as `nameOf` has them; by the settings of this process. @throws RelayError POSTGRES_* */
export async function setAsideTopics(
  pool: pg.Pool,
  config: Config,
  keys: readonly ParkedName[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (keys.length === 0) return new Map();
  const { name: slot } = config.slot;
  const pauses = activePauses(await readControl(pool, slot));
  const setAside = new Set(pauses.filter(({ mode }) => mode === 'set-aside').map(({ topic }) => topic));
  const router = new Router(config);
  const names = [slot, keys.map(({ topic }) => topic), keys.map(({ key }) => key)];
  const found = new Map(keys.map((each) => [nameOf(each), new Set([each.topic])]));
  for (const { topic, key, aggregatetype, type } of await query(pool, readRouted, names)) {
    const routed = router.topic(aggregatetype, type);
    if (routed !== undefined) found.get(nameOf({ topic, key }))?.add(routed);
  }
  return new Map(
    [...found].map(([name, topics]) => [name, [...topics].filter((each) => setAside.has(each))]),
  );
}

/** A topic's name has no NUL. */
export const nameOf = ({ topic, key }: ParkedName): string => `${topic}\0${key}`;

const readRouted = statement<ParkedName & { aggregatetype: string; type: string | null }>(
  'operations.read_routed',
  'reading what waits for a key',
  `select distinct p.topic, p.key, coalesce(letter.aggregatetype, '') as aggregatetype, letter.type
     from outbox.parked_key as p join outbox.dead_letter as letter on ${waits}
    where p.slot = $1 and p.released_lsn is null
      and (p.topic, p.key) in (select * from unnest($2::text[], $3::text[]))`,
);
