/**
 * One attempt at a replay, from fencing to its end. Like a session of the relay it trusts only what it reads: it fences every
 * earlier process of the same replay, reads the progress after its own claim, and continues from there. So two processes of
 * one replay never both write, and one that died leaves nothing to be guessed.
 */
import type pg from 'pg';
import { readSystem } from '../capture/server-identity.ts';
import { openClient } from '../connect/postgres/client.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { beginReadOnly } from '../connect/postgres/transaction.ts';
import type { Servers } from '../connect/servers.ts';
import { encodePatiently } from '../encode/encode-patiently.ts';
import { Encoder } from '../encode/encoder.ts';
import { RegistryClient } from '../encode/registry/registry-client.ts';
import { backfillIdHeader, replayIdHeader } from '../encode/replay-headers.ts';
import { RelayError } from '../errors.ts';
import { ControlledGate } from '../ledger/controlled-gate.ts';
import { noteRefusals, noteReplay, readReplays, type StoredReplay } from '../ledger/replays.ts';
import { ledgerTables } from '../ledger/tables.ts';
import { counted } from '../model/counted.ts';
import type { Obstacle } from '../model/gate.ts';
import { failpoint } from '../observe/failpoints.ts';
import { fencePublisher } from '../publish/fence.ts';
import { ensureProgressTopic, ProgressTail } from '../publish/progress-topic.ts';
import type { Publisher } from '../publish/publisher.ts';
import { Topics } from '../publish/topics.ts';
import { replayWriter } from '../publish/writer.ts';
import { openListing } from './listing.ts';
import { readClock } from './plan.ts';
import { idsAt } from './positions.ts';
import { type Ended, publishListed } from './publish-listed.ts';
import type { Facts, Range } from './range.ts';
import { redirected } from './records.ts';
import { parseReplay, type ReplayProgress, startOf } from './replay-progress.ts';
import { countUntimed, type Selected } from './selection.ts';

/** For scans of the whole table; `database.statementTimeoutMs` is meant for bookkeeping. */
export const scanTimeoutMs = 3_600_000;

/** How often Postgres hears how far the replay is. */
const noteEveryMs = 1_000;

export type SessionOptions = {
  readonly replay: StoredReplay;
  readonly person: string;
  readonly instance: string;
  readonly refused: 'stop' | 'skip';
  /** null for as fast as it goes. */
  readonly eventsPerSecond: number | null;
  readonly signal: AbortSignal;
  readonly onStage: (stage: ReplayStage) => void;
};

export type ReplayStage = {
  readonly stage: 'counting' | 'listing' | 'publishing' | 'paused';
  readonly done: number;
  /** undefined if it is not known in advance. */
  readonly total?: number;
  /** Which topic is paused; undefined if everything is. */
  readonly topic?: string;
};

export type SessionEnd = { readonly progress: ReplayProgress; readonly ended: Ended };

/**
 * @throws RelayError of every server; REPLAY_CHANGED, REPLAY_PROGRESS_LOST, PRODUCER_FENCED, TRANSACTION_EXPIRED,
 * LINEAGE_OTHER_DATABASE
 */
export async function runSession(means: Servers, options: SessionOptions): Promise<SessionEnd> {
  const { config, kafka, admin } = means;
  const { replay, onStage } = options;
  const writer = replayWriter(config, replay.id);
  await ensureProgressTopic(admin, writer.progressTopic);
  const tail = new ProgressTail(kafka, { topic: writer.progressTopic, slot: writer.key });
  let publisher: Publisher | undefined;
  let client: pg.Client | undefined;
  try {
    await tail.start();
    publisher = await fencePublisher(kafka, config, writer);
    await failpoint('PRODUCER_FENCED');
    const progress = progressOf(await publisher.claimText(tail), options);
    await failpoint('CLAIM_READ');
    if (progress.isDone) return { progress, ended: { outcome: 'done' } };
    onStage({ stage: 'listing', done: 0 });
    client = await openClient(config, 'outbox-relay replay', scanTimeoutMs);
    await list(means, client, replay, progress);
    return await publish(means, client, publisher, progress, options);
  } finally {
    await Promise.allSettled([tail.stop(), publisher?.close(), client?.end()]);
  }
}

/** The copy in Postgres lags behind Kafka. If it is ahead, Kafka has lost the progress. */
function progressOf(text: string | undefined, { replay, instance }: SessionOptions): ReplayProgress {
  const found = text === undefined ? startOf(replay.id, instance) : parseReplay(text, replay.id);
  const isLost = found.published < replay.published || (replay.state === 'done' && !found.isDone);
  if (isLost)
    throw new RelayError(
      'REPLAY_PROGRESS_LOST',
      `replay ${replay.id} has published ${counted(replay.published, 'event')}, but Kafka shows ${found.published}`,
    );
  return { ...found, instance };
}

async function list(
  means: Servers,
  client: pg.Client,
  replay: StoredReplay,
  { after, part }: ReplayProgress,
): Promise<void> {
  const { config, pool } = means;
  const { systemIdentifier } = await readSystem(config);
  const facts = replay.facts as Facts;
  if (systemIdentifier !== facts.systemIdentifier)
    throw new RelayError(
      'LINEAGE_OTHER_DATABASE',
      `replay ${replay.id} began on the cluster ${facts.systemIdentifier}, this one is ${systemIdentifier}`,
    );
  const range = replay.range as Range;
  const positionIds = await idsAt(means, range);
  const earlier = await readEarlier(pool, replay);
  await beginReadOnly(client, 'listing the events', 'repeatable read');
  const { xmax, hasCommitTimes } = await readClock(client);
  const selected: Selected = {
    config,
    range,
    facts,
    isFirst: replay.isFirst,
    earlier,
    positionIds,
    xmax,
    hasCommitTimes,
    isEitherTime: false,
  };
  await assertTimed(client, selected);
  await openListing(client, selected, part ?? after, part !== null);
  await assertRowsShown(pool, config, [config.outbox.table, ...ledgerTables, 'outbox.replay']);
  await query(client, statement('replay.end_listing', 'listing the events', 'commit'));
  await failpoint('REPLAY_LISTED');
}

async function readEarlier(pool: pg.Pool, { slot, facts }: StoredReplay): Promise<Selected['earlier']> {
  const excluded = new Set((facts as Facts).excludes);
  if (excluded.size === 0) return [];
  const replays = (await readReplays(pool, slot)).filter(({ id }) => excluded.has(id));
  if (replays.length < excluded.size)
    throw new RelayError('REPLAY_CHANGED', 'an earlier replay is no longer in outbox.replay');
  return replays.map(({ id, range, facts }) => ({
    id,
    range: range as Range,
    order: (facts as Facts).order,
  }));
}

/** Without its commit time an event would stand elsewhere in the order than when the replay began. */
async function assertTimed(client: pg.Client, selected: Selected): Promise<void> {
  if (selected.facts.order !== 'commit') return;
  const untimed = await countUntimed(client, selected);
  if (untimed > 0)
    throw new RelayError(
      'REPLAY_CHANGED',
      `Postgres no longer keeps the commit times of ${counted(untimed, 'event')}`,
    );
}

async function publish(
  means: Servers,
  client: pg.Client,
  publisher: Publisher,
  progress: ReplayProgress,
  { replay, person, refused, eventsPerSecond, signal, onStage }: SessionOptions,
): Promise<SessionEnd> {
  const { config, pool, kafka, admin } = means;
  const topics = new Topics(kafka, admin, config);
  const directory = replay.topic === null ? topics : redirected(topics, replay.topic);
  const encoder = new Encoder(config, new RegistryClient(config.registry), directory);
  let last = progress;
  let notedMs = performance.now();
  const show = ({ published, refused, gone }: ReplayProgress) =>
    onStage({ stage: 'publishing', done: published + refused + gone, total: replay.total });
  show(progress);
  const controlled = await ControlledGate.open({
    pool,
    slot: config.slot.name,
    settings: { eventsPerSecond: eventsPerSecond ?? 0, bytesPerSecond: 0 },
    // A replay has a rate limit of its own.
    heedsLimits: false,
  });
  const tell = (obstacle: Obstacle) => {
    if (obstacle.kind === 'limited') return;
    const { topic } = obstacle;
    onStage({ stage: 'paused', done: 0, ...(topic === null ? {} : { topic }) });
  };
  const ended = await publishListed({
    config,
    client,
    publisher,
    progress,
    // No more than a second's worth.
    batchEvents: Math.min(config.publish.batchEvents, eventsPerSecond ?? Number.POSITIVE_INFINITY),
    // Before the Kafka transaction begins, so what is paused holds up no consumer.
    pass: (batch) => {
      const topics = new Set(batch.eventsByTopic().keys());
      const load = { topics, events: batch.events, bytes: batch.bytes };
      return controlled.pass(load, Number.POSITIVE_INFINITY, tell, signal);
    },
    refused,
    signal,
    encode: (events) => encodePatiently(encoder, events, config.retry),
    marks: {
      header: replay.isFirst ? backfillIdHeader : replayIdHeader,
      replayId: replay.id,
      topic: replay.topic,
      maxRecordBytes: config.publish.maxRecordBytes ?? Number.POSITIVE_INFINITY,
    },
    storeRefusals: (refusals) => noteRefusals(pool, replay.id, refusals),
    onCommitted: async (committed) => {
      last = committed;
      show(committed);
      if (performance.now() - notedMs < noteEveryMs) return;
      notedMs = performance.now();
      await noteReplay(pool, replay.id, 'running', committed, null, person);
    },
  });
  return { progress: last, ended };
}
