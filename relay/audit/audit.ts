/**
 * Holds the relay to its promise: compares the committed events in the outbox table with what consumers see in Kafka. The
 * order of the steps makes it sound on a running system:
 *
 * 1. take a snapshot of the table, with its WAL position;
 * 2. read the progress, then take the ends of the topics, so that everything that the progress covers lies before them, and
 *    read the topics up to there under `read_committed`;
 * 3. if the progress was not at that position, and an event of the snapshot is absent or not below the progress
 *    (`covers-events.ts`), wait until it is there: then everything in the snapshot has been published. Take the ends once
 *    more, and read on to there. On an idle system the progress moves with the next heartbeat only;
 * 4. read the dead letters, which are written before the progress that covers them;
 * 5. look at the table a second time for whatever is in Kafka and was not in the snapshot, and again once every transaction
 *    that ran when the ends were taken is over (`running.ts`).
 *
 * While it reads the topics, it compares each record with its row (`content.ts`). Missing rights are an error: what cannot
 * be seen is never taken for absent. `compare.ts` states what may be concluded, and what not.
 */
import type { Admin, Kafka } from 'kafkajs';
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { connectAdmin } from '../connect/kafka.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { Router } from '../encode/route.ts';
import { type Removals, readRemovals } from '../ledger/removals.ts';
import { formatLsn, parseLsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { awaitProgress, findProducers, isAt } from './await-progress.ts';
import { Comparer, type Comparison } from './compare.ts';
import { coversEvents } from './covers-events.ts';
import { judgeCompacted } from './judge-compacted.ts';
import { Origins, readOriginFacts } from './origin.ts';
import type { Writer } from './producers.ts';
import { RecordsReader } from './read-records.ts';
import { RowReader } from './read-rows.ts';
import { connectForAudit, readDeadLetters, readTable, type TableSnapshot } from './read-table.ts';
import { stallMsOf } from './read-topics.ts';
import { findRetention } from './retention.ts';
import { lookAgain } from './running.ts';
import { readSiblings } from './siblings.ts';

export type AuditOptions = {
  readonly config: Config;
  readonly kafka: Kafka;
  /** How long the progress may take to reach the snapshot, and transactions to end whose rows do not show, in ms. */
  readonly waitMs: number;
  /** Most ids kept of each kind. */
  readonly maxIds: number;
  /** Nothing was ever removed from the table or the topics: count what cannot be judged for that reason as findings. */
  readonly expectAll: boolean;
  /** Compare each record with its row; true by default. */
  readonly comparesContent?: boolean;
  readonly onStage?: (stage: AuditStage) => void;
  /** Ends it at its next step, with the reason of the signal as an error. */
  readonly signal?: AbortSignal;
};

export type AuditStage = {
  readonly stage: 'table' | 'progress' | 'topics' | 'dead letters' | 'transactions';
  readonly done: number;
  /** undefined if it is not known in advance. */
  readonly total?: number;
};

export type AuditReport = Comparison & {
  /**
   * No findings, no event that may be missing, no record that may be leaked, and not blind to all events; and a progress of
   * this database, unless no event waits for one.
   */
  readonly ok: boolean;
  /** Of the table, with the position that the progress had to reach. */
  readonly snapshot: { readonly lsn: string; readonly time: string };
  /** As Kafka had it when the topics were read; null if there is none. */
  readonly progress: {
    readonly endLsn: string;
    readonly time: string;
    readonly isSameDatabase: boolean;
    /** Whether it was at the snapshot's position. */
    readonly isAtSnapshot: boolean;
  } | null;
  /** Whether the progress was there, or past every event of the snapshot, so that absent events could be judged. */
  readonly isCovered: boolean;
  readonly topics: readonly string[];
  /** Rows without an id, which can neither be published nor be found in Kafka. */
  readonly withoutId: number;
  /** When cleanup last removed rows; null if never. */
  readonly removedAt: string | null;
  /** Whether records were compared with their rows. */
  readonly comparesContent: boolean;
  /** False if the settings of topics may not be read: compacted topics are then judged like all others. */
  readonly knowsCompacted: boolean;
};

/** @throws RelayError POSTGRES_*, OUTBOX_TABLE_INVALID, KAFKA_*, REGISTRY_*, PROGRESS_UNREADABLE */
export async function audit(given: AuditOptions): Promise<AuditReport> {
  const { signal, onStage } = given;
  const options = {
    ...given,
    onStage: (stage: AuditStage) => {
      signal?.throwIfAborted();
      onStage?.(stage);
    },
  };
  const admin = options.kafka.admin();
  const client = await connectForAudit(options.config);
  try {
    await connectAdmin(admin);
    return await compareAll(options, admin, client);
  } finally {
    await Promise.allSettled([admin.disconnect(), client.end()]);
  }
}

/** More than a relay writes between two looks at the progress topic. */
const progressTail = 20_000n;

async function compareAll(options: AuditOptions, admin: Admin, client: pg.Client): Promise<AuditReport> {
  const { config, kafka, maxIds, expectAll } = options;
  const comparesContent = options.comparesContent ?? true;
  const comparer = new Comparer({ maxIds, expectAll });
  const { snapshot, withoutId, removals } = await addEvents(options, client, comparer);
  const onProducer = (producerId: bigint, writer: Writer) => comparer.addProducer(producerId, writer);
  const { signal } = options;
  const place = {
    kafka,
    admin,
    stallMs: stallMsOf(config),
    topic: config.kafka.progressTopic,
    slot: config.slot.name,
    systemIdentifier: snapshot.systemIdentifier,
    reach: snapshot.lsn,
    siblings: await readSiblings(client, config.slot.name),
    onProducer,
    ...(signal === undefined ? {} : { signal }),
  };
  let progress = await awaitProgress({ ...place, waitMs: 0 });
  signal?.throwIfAborted();
  await findProducers(place, onProducer);
  const onStage = (stage: AuditStage) => options.onStage?.(stage);
  const records = await RecordsReader.create({
    config,
    kafka,
    admin,
    client,
    comparer,
    comparesContent,
    onStage,
  });
  let { topics, compacted, running } = await records.read();
  const isThere = () => progress !== null && isAt(progress, place);
  let isProven = false;
  if (!isThere()) {
    isProven = await coversEvents({ client, config, snapshot, comparer }, progress);
    if (!isProven) {
      onStage({ stage: 'progress', done: 0 });
      progress = await awaitProgress({ ...place, waitMs: options.waitMs, tailOffsets: progressTail });
      signal?.throwIfAborted();
      // What was published in the meantime counts, whether the wait was long enough or not.
      ({ topics, compacted, running } = await records.read());
    }
  }
  comparer.setRetention(await findRetention(admin, topics));
  options.onStage?.({ stage: 'dead letters', done: 0 });
  await readDeadLetters(client, config, snapshot, (rows) => {
    for (const { id, commitLsn, releasedLsn, ...letter } of rows)
      comparer.addDeadLetter(id, { ...letter, releasedLsn: parseLsn(releasedLsn) }, commitLsn !== null);
  });
  const { waitMs } = options;
  const onWait = () => options.onStage?.({ stage: 'transactions', done: 0 });
  const isFinal = await lookAgain(
    { client, config, running, waitMs, signal, onWait },
    () => comparer.suspects(),
    (id) => comparer.confirm(id),
  );
  if (compacted !== undefined && compacted.size > 0)
    await judgeCompacted({
      comparer,
      compacted,
      rows: new RowReader(client, config),
      router: new Router(config),
      snapshotMs: snapshot.atMs,
    });
  // Row-level security may have hidden what was read since the snapshot.
  await assertRowsShown(client, config, [
    config.outbox.table,
    'outbox.dead_letter',
    'outbox.progress',
    'outbox.replay',
  ]);
  const isCovered = isProven || isThere();
  const comparison = comparer.finish(isCovered, isFinal);
  return {
    ok:
      Object.values(comparison.findings).every(({ count }) => count === 0) &&
      comparison.unjudged.missingOrRemoved.count === 0 &&
      comparison.unjudged.leakedOrRemoved.count === 0 &&
      comparison.unjudged.leakedOrNotShown.count === 0 &&
      !lacksProgress(progress, snapshot, comparison) &&
      !hasComparedNothing(comparison),
    snapshot: { lsn: formatLsn(snapshot.lsn), time: new Date(snapshot.atMs).toISOString() },
    progress:
      progress === null
        ? null
        : {
            endLsn: formatLsn(progress.endLsn),
            time: progress.time,
            isSameDatabase: progress.systemIdentifier === snapshot.systemIdentifier,
            isAtSnapshot: isThere(),
          },
    isCovered,
    topics,
    withoutId,
    removedAt: removals === undefined ? null : new Date(removals.lastMs).toISOString(),
    comparesContent,
    knowsCompacted: compacted !== undefined,
    ...comparison,
  };
}

/**
 * There were events to be published, and neither a record nor a dead letter of any was found: nothing is known to be right.
 * Those from before the first start, and those that a relay has yet to publish, are none.
 */
function hasComparedNothing({
  events,
  matched,
  unjudged,
}: Pick<Comparison, 'events' | 'matched' | 'unjudged'>): boolean {
  return matched === 0 && events > unjudged.before.count + unjudged.notYetPublished.count;
}

/**
 * Nothing says that a relay will publish what waits: there is no progress, as under the name of a slot that no relay has, or
 * it is of another cluster, whose positions mean nothing here.
 */
function lacksProgress(
  progress: Progress | null,
  { systemIdentifier }: TableSnapshot,
  { unjudged }: Pick<Comparison, 'unjudged'>,
): boolean {
  if (progress === null) return unjudged.notYetPublished.count > 0;
  return progress.systemIdentifier !== systemIdentifier;
}

async function addEvents(
  options: AuditOptions,
  client: pg.Client,
  comparer: Comparer,
): Promise<{ snapshot: TableSnapshot; withoutId: number; removals: Removals | undefined }> {
  const router = new Router(options.config);
  let snapshot: TableSnapshot | undefined;
  let origins: Origins | undefined;
  let done = 0;
  const withoutId = await readTable(
    client,
    options.config,
    async (opened) => {
      snapshot = opened;
      comparer.setSnapshot(opened.lsn, opened.atMs);
      const { slot } = options.config;
      origins = new Origins(await readOriginFacts(client, slot.name, opened.systemIdentifier), opened.xmax);
    },
    (rows) => {
      for (const { id, aggregatetype, type, createdAtMs, relation, ctid, xid } of rows)
        comparer.addEvent({
          id,
          topic: router.topic(aggregatetype, type),
          createdAtMs,
          origin: origins!.of(xid, createdAtMs),
          isOfHere: origins!.isOfHere(xid),
          place: { relation, ctid },
        });
      done += rows.length;
      options.onStage?.({ stage: 'table', done });
    },
  );
  const removals = await readRemovals(client);
  if (removals !== undefined) comparer.noteRemoved(removals);
  return { snapshot: snapshot!, withoutId, removals };
}
