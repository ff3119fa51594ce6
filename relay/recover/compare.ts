/** Compares the table, as a snapshot shows it, with Kafka and the dead letters. Changes nothing. */
import type pg from 'pg';
import { assertVisible } from '../audit/read-topics.ts';
import type { Unreadable } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import type { Servers } from '../connect/servers.ts';
import { ledgerTables } from '../ledger/tables.ts';
import type { AbsentList } from './absent-events.ts';
import { type Decided, readLetters } from './letters.ts';
import { knownOf, type Loss } from './loss.ts';
import type { RecoverOptions } from './options.ts';
import { readPublished } from './published.ts';
import { type Gap, readGap } from './read-gap.ts';
import { findUnreadable } from './unreadable.ts';

export type Compared = {
  readonly gap: Gap;
  /** In the order of publishing. */
  readonly missing: AbsentList;
  readonly unreadable: ReadonlyMap<string, Unreadable>;
  readonly records: number;
};

/** @param client has the snapshot open in which the table is read */
export async function compare(
  client: pg.Client,
  decided: Decided,
  { config, onStage, unjudged, signal }: RecoverOptions,
  { kafka, admin, pool }: Servers,
  loss: Loss,
): Promise<Compared> {
  const published = await readPublished({
    config,
    kafka,
    admin,
    signal,
    onDone: (done, total) => onStage({ stage: 'topics', done, total }),
  });
  const gap = await readGap({
    config,
    client,
    published,
    letters: await readLetters(config, decided),
    known: knownOf(loss),
    coveredMs: loss.snapshots.coveredMs,
    onDone: (done, total) => onStage({ stage: 'table', done, ...(total !== undefined && { total }) }),
  });
  const { absent } = gap;
  // A listing leaves out topics that the role may not see, and their events are not absent.
  const hidden = new Set<string>();
  for (const events of [absent.missing, absent.expired, absent.unjudged])
    for (const { topic } of events)
      if (topic !== undefined && !published.topics.has(topic)) hidden.add(topic);
  await assertVisible(admin, [...hidden]);
  const missing = gap.inOrder(unjudged === 'publish' ? ['missing', 'unjudged'] : ['missing']);
  const unreadable = await findUnreadable(config, client, missing, (done) =>
    onStage({ stage: 'rows', done, total: missing.length }),
  );
  await assertOutboxShown(pool, config);
  return { gap, records: published.records, missing, unreadable };
}

/**
 * Hidden rows count as absent, and the progress would pass over their events. The transaction of the snapshot is still
 * open.
 */
export function assertOutboxShown(pool: pg.Pool, config: Config): Promise<void> {
  return assertRowsShown(pool, config, [config.outbox.table, ...ledgerTables]);
}
