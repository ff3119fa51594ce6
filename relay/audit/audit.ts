/**
 * Holds the relay to its promise: compares the committed events in the outbox table with what consumers see in Kafka. The
 * order of the steps makes it sound on a running system:
 *
 * 1. take a snapshot of the table, with its WAL position;
 * 2. wait until the progress is at that position: then everything in the snapshot has been published;
 * 3. only then take the ends of the topics, so that everything published so far lies before them, and read the topics up
 *    to there under `read_committed`;
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
import { allowList } from '../config/topic-patterns.ts';
import { connectAdmin } from '../connect/kafka.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { Router } from '../encode/route.ts';
import { type Removals, readRemovals } from '../ledger/removals.ts';
import { readReplays } from '../ledger/replays.ts';
import { formatLsn, parseLsn } from '../model/position.ts';
import { type AuditedRecord, replayOf } from './audited.ts';
import { awaitProgress, findProducers, isAt } from './await-progress.ts';
import { findCompacted } from './compacted.ts';
import { Comparer, type Comparison } from './compare.ts';
import { Content } from './content.ts';
import { Decoder } from './decoder.ts';
import { extendToHighWatermarks } from './high-watermarks.ts';
import { judgeCompacted } from './judge-compacted.ts';
import { Origins, readOriginFacts } from './origin.ts';
import { RowReader } from './read-rows.ts';
import { connectForAudit, readDeadLetters, readTable, type TableSnapshot } from './read-table.ts';
import {
  assertVisible,
  headerText,
  listTopics,
  offsetCount,
  readTopics,
  stableRanges,
  stallMsOf,
  type TopicRecord,
} from './read-topics.ts';
import { lookAgain, readNow } from './running.ts';

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
  /** No findings, and no record that may be leaked. */
  readonly ok: boolean;
  /** Of the table, with the position that the progress had to reach. */
  readonly snapshot: { readonly lsn: string; readonly time: string };
  /** As Kafka had it when the topics were read; null if there is none. */
  readonly progress: {
    readonly endLsn: string;
    readonly time: string;
    readonly isSameDatabase: boolean;
  } | null;
  /** Whether the progress was at the snapshot's position, so that absent events could be judged. */
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

async function compareAll(options: AuditOptions, admin: Admin, client: pg.Client): Promise<AuditReport> {
  const { config, kafka, maxIds, expectAll } = options;
  const stallMs = stallMsOf(config);
  const comparesContent = options.comparesContent ?? true;
  const comparer = new Comparer({ maxIds, expectAll });
  const { snapshot, withoutId, removals } = await addEvents(options, client, comparer);
  options.onStage?.({ stage: 'progress', done: 0 });
  const place = {
    kafka,
    admin,
    stallMs,
    topic: config.kafka.progressTopic,
    slot: config.slot.name,
    systemIdentifier: snapshot.systemIdentifier,
  };
  const onProducer = (producerId: bigint, isOwn: boolean) => comparer.addProducer(producerId, isOwn);
  const progress = await awaitProgress({
    ...place,
    reach: snapshot.lsn,
    waitMs: options.waitMs,
    onProducer,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  options.signal?.throwIfAborted();
  await findProducers(place, onProducer);
  const topics = await findTopics(config, admin, comparer.topics());
  const compacted = await findCompacted(admin, topics);
  comparer.setCompacted(new Set(compacted?.keys()));
  const running = await addRecords(
    { ...options, comparesContent },
    { admin, client, comparer, topics, stallMs },
  );
  options.onStage?.({ stage: 'dead letters', done: 0 });
  await readDeadLetters(client, config, snapshot, (rows) => {
    for (const { id, status, releasedLsn, isSinceSnapshot } of rows)
      comparer.addDeadLetter(id, status, parseLsn(releasedLsn), isSinceSnapshot);
  });
  const { waitMs, signal } = options;
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
  const isCovered =
    progress !== null && isAt(progress, { reach: snapshot.lsn, systemIdentifier: snapshot.systemIdentifier });
  const comparison = comparer.finish(isCovered, isFinal);
  return {
    ok:
      Object.values(comparison.findings).every(({ count }) => count === 0) &&
      comparison.unjudged.leakedOrRemoved.count === 0 &&
      comparison.unjudged.leakedOrNotShown.count === 0,
    snapshot: { lsn: formatLsn(snapshot.lsn), time: new Date(snapshot.atMs).toISOString() },
    progress:
      progress === null
        ? null
        : {
            endLsn: formatLsn(progress.endLsn),
            time: progress.time,
            isSameDatabase: progress.systemIdentifier === snapshot.systemIdentifier,
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

/**
 * The topics of `topics.allow`. A listing leaves out topics that may not be seen, so topics that must exist are looked up
 * by name.
 * @throws RelayError KAFKA_UNAUTHORIZED
 */
export async function findTopics(config: Config, admin: Admin, routed: readonly string[]): Promise<string[]> {
  const allowed = allowList(config.topics.allow, config.kafka.progressTopic);
  const seen = (await listTopics(admin)).filter((topic) => allowed.test(topic));
  const named = [...config.topics.allow.filter((topic) => !topic.includes('*')), ...routed];
  await assertVisible(
    admin,
    named.filter((topic) => !seen.includes(topic)),
  );
  return seen;
}

type Means = {
  readonly admin: Admin;
  readonly client: pg.Client;
  readonly comparer: Comparer;
  readonly topics: readonly string[];
  readonly stallMs: number;
};

/** @returns a snapshot that lists what ran once the ends were known */
async function addRecords(
  { config, kafka, onStage, comparesContent }: AuditOptions,
  { admin, client, comparer, topics, stallMs }: Means,
): Promise<string> {
  const ranges = await extendToHighWatermarks(kafka, await stableRanges(admin, topics), stallMs);
  const { snapshot: running } = await readNow(client);
  // A replay is recorded before its first record is written, so those of all records up to these ends are there.
  comparer.setReplays(await readReplays(client, config.slot.name));
  for (const { topic, partition, low } of ranges) if (low > 0n) comparer.addTrimmed(topic, partition);
  const decoder = await Decoder.create(config.registry);
  const content = new Content({
    config,
    client,
    decoder,
    onDifference: (record, difference) =>
      comparer.addDifference({ ...differentRecord(record), ...difference }),
    onCompared: (records, ofOtherSettings) => comparer.addCompared(records, ofOtherSettings),
    onGone: (id) => comparer.addRemoved(id),
  });
  const router = new Router(config);
  const total = offsetCount(ranges);
  onStage?.({ stage: 'topics', done: 0, total });
  await readTopics({
    kafka,
    ranges,
    stallMs,
    onTrimmed: (topic, partition) => comparer.addTrimmed(topic, partition),
    onDone: (done) => onStage?.({ stage: 'topics', done, total }),
    onRecords: async (records) => {
      // Values of other producers may name what looks like schema ids; the registry is not asked for those.
      const isOurs = (record: TopicRecord) =>
        hasRelayHeaders(record) && !comparer.isOfOthers(record.producerId, headerText(record.headers, 'id')!);
      await decoder.prepare(records.map((record) => (isOurs(record) ? record.value : null)));
      for (const record of records) {
        const event = comparer.addRecord(auditedRecord(record, isOurs(record) ? decoder : undefined, router));
        if (event !== undefined && comparesContent) await content.add({ record, ...event });
      }
      await content.flush();
    },
  });
  await content.finish();
  return running;
}

export const hasRelayHeaders = ({ headers }: TopicRecord): boolean =>
  headerText(headers, 'id') !== undefined &&
  (headerText(headers, 'position') !== undefined || replayOf(headers) !== undefined);

/** @param decoder undefined for a record whose value is not judged, since it is another producer's */
export function auditedRecord(
  record: TopicRecord,
  decoder: Decoder | undefined,
  router: Router,
): AuditedRecord {
  const { topic, partition, offset, committedAtMs, producerId } = record;
  const isTombstone = record.value === null && router.takesTombstones(topic);
  return {
    topic,
    partition,
    offset,
    committedAtMs,
    producerId,
    key: record.key?.toString() ?? null,
    id: headerText(record.headers, 'id'),
    position: headerText(record.headers, 'position'),
    replay: replayOf(record.headers),
    fault: isTombstone ? undefined : decoder?.faultOf(record.value),
  };
}

function differentRecord({ topic, partition, offset, headers }: TopicRecord) {
  return {
    id: headerText(headers, 'id') ?? null,
    topic,
    partition,
    offset: String(offset),
    position: headerText(headers, 'position') ?? null,
  };
}
