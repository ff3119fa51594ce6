/** Compares the table, as a snapshot shows it, with Kafka and the dead letters. Changes nothing. */
import type pg from 'pg';
import { assertVisible } from '../audit/read-topics.ts';
import type { Unreadable } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import type { Servers } from '../connect/servers.ts';
import { ledgerTables } from '../ledger/tables.ts';
import type { AbsentEvent, Reason } from './gap.ts';
import { type Decided, readLetters } from './letters.ts';
import { knownOf, type Loss } from './loss.ts';
import type { RecoverOptions } from './options.ts';
import { UncertainKeys } from './order.ts';
import { readPublished } from './published.ts';
import { type Gap, type Judged, readGap } from './read-gap.ts';
import { type Some, SomeEvents } from './some-events.ts';
import { findUnreadable, nameOf } from './unreadable.ts';

export type Compared = {
  readonly gap: Gap;
  readonly missing: Missing;
  readonly unjudged: Some;
  /** Number of unjudged events by reason. */
  readonly reasons: Readonly<Record<Reason, number>>;
  /** Further rows of an id that may be missing; the latest row counts. */
  readonly repeated: number;
  readonly records: number;
};

/** The events that are to be published. */
export type Missing = Some & {
  /** In the order of publishing, from the beginning each time. */
  readonly inOrder: () => AsyncIterable<readonly AbsentEvent[]>;
  /** Whether Postgres has the commit time of each. */
  readonly isTimed: boolean;
  readonly uncertainKeys: number;
  /** Those that Postgres cannot convert to text, and what the first of them has. */
  readonly unreadable: Some;
  readonly unreadableWhy: string | undefined;
  /** By relation and place. */
  readonly unreadablePlaces: ReadonlyMap<string, Unreadable>;
};

/** @param client has the snapshot open in which the table is read */
export async function compare(
  client: pg.Client,
  decided: Decided,
  options: RecoverOptions,
  { kafka, admin, pool }: Servers,
  loss: Loss,
): Promise<Compared> {
  const { config, onStage, signal } = options;
  const { coveredMs } = loss.snapshots;
  const published = await readPublished({
    config,
    kafka,
    admin,
    signal,
    coveredMs,
    onDone: (done, total) => onStage({ stage: 'topics', done, total }),
  });
  const gap = await readGap({
    config,
    client,
    published,
    letters: await readLetters(config, decided),
    known: knownOf(loss),
    coveredMs,
    onDone: (done, total) => onStage({ stage: 'table', done, ...(total !== undefined && { total }) }),
    onSorting: (total) => onStage({ stage: 'sorting', done: 0, total }),
  });
  // A listing leaves out topics that the role may not see, and their events are not absent.
  await assertVisible(admin, gap.unlisted);
  const found = await lookAtMissing(client, gap, options);
  await assertOutboxShown(pool, config);
  return { gap, records: published.records, ...found };
}

/** Reads what may be missing once, before any of it is published: a person may have to decide something first. */
async function lookAtMissing(
  client: pg.Client,
  gap: Gap,
  { config, onStage, unjudged: choice }: RecoverOptions,
): Promise<Pick<Compared, 'missing' | 'unjudged' | 'reasons' | 'repeated'>> {
  const isMissing = ({ verdict }: Judged) => verdict.judgement === 'missing' || choice === 'publish';
  const [missing, unjudged, unreadable] = [new SomeEvents(), new SomeEvents(), new SomeEvents()];
  const reasons = { 'unknown-start': 0, contradiction: 0, removed: 0 };
  const unreadablePlaces = new Map<string, Unreadable>();
  // Where all commit times are known, the order is too.
  const keys = gap.hasUntimed ? new UncertainKeys() : undefined;
  let isTimed = true;
  let unreadableWhy: string | undefined;
  let repeated = 0;
  let done = 0;
  for await (const page of gap.inOrder()) {
    onStage({ stage: 'rows', done, total: gap.candidates });
    done += page.length;
    for (const { event, verdict, copies } of page) {
      repeated += copies - 1;
      if (verdict.judgement !== 'unjudged') continue;
      unjudged.add(event);
      reasons[verdict.reason] += 1;
    }
    const events = page.filter(isMissing).map(({ event }) => event);
    for (const [place, why] of await findUnreadable(config, client, events)) unreadablePlaces.set(place, why);
    for (const event of events) {
      missing.add(event);
      keys?.add(event);
      if (event.committedUs === null) isTimed = false;
      const why = unreadablePlaces.get(nameOf(event));
      if (why === undefined) continue;
      unreadable.add(event);
      unreadableWhy ??= why.message;
    }
  }
  async function* inOrder() {
    for await (const page of gap.inOrder()) yield page.filter(isMissing).map(({ event }) => event);
  }
  const uncertainKeys = keys?.count ?? 0;
  return {
    missing: {
      ...missing.value,
      inOrder,
      isTimed,
      uncertainKeys,
      unreadable: unreadable.value,
      unreadableWhy,
      unreadablePlaces,
    },
    unjudged: unjudged.value,
    reasons,
    repeated,
  };
}

/**
 * Hidden rows count as absent, and the progress would pass over their events. The transaction of the snapshot is still
 * open.
 */
export function assertOutboxShown(pool: pg.Pool, config: Config): Promise<void> {
  return assertRowsShown(pool, config, [config.outbox.table, ...ledgerTables]);
}
