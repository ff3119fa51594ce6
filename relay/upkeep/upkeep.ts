/**
 * What a streaming relay does every few seconds beside publishing: a heartbeat, the copy of the progress, partitions made
 * ahead, a look at the slot and at the open dead letters. A failure is reported and tried again. Only what says that the
 * stream itself is no longer what it was ends it: no duty is worth an event that waits.
 *
 * Promise: a publication that went missing, or was changed, is noticed. Postgres streams on without the table and says
 * nothing; but the publication is then another one, a stream that has passed the end of a heartbeat without bringing it
 * shows it, and so does a heartbeat number left out.
 */
import type pg from 'pg';
import type { Logger } from 'pino';
import { assertStreamable, examineOutbox } from '../capture/outbox-table.ts';
import { assertSamePublication, readPublication } from '../capture/publication.ts';
import type { Config } from '../config/config.ts';
import { pause } from '../connect/backoff.ts';
import { asRelayError, type ErrorCode, RelayError } from '../errors.ts';
import { type Heartbeat, storeProgress, writeHeartbeat } from '../ledger/bookkeeping.ts';
import { readWaiting } from '../ledger/dead-letters.ts';
import { purgeClosed } from '../ledger/purge.ts';
import { storeCovered, UncoveredHeartbeats } from '../ledger/snapshots.ts';
import type { Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { Metrics } from '../observe/metrics.ts';
import { ensurePartitions, type SkipReason } from './partitions.ts';
import { observeSlot } from './slot-health.ts';

/**
 * SQLSTATE of a server that takes no connections. While the stream lives, it is shutting down and waits for us: its
 * walsender ends when all WAL is acknowledged, of which the last records are in no transaction and so never are. Whoever
 * kept the stream open would keep the server from ending, and a switchover from happening.
 */
const cannotConnectNow = '57P03';

/** What a duty finds out about the stream: events would be missed, or the slot is no more. */
const endsTheStream: ReadonlySet<ErrorCode> = new Set([
  'PUBLICATION_MISSING',
  'PUBLICATION_GAP',
  'SLOT_MISSING',
  'SLOT_INVALIDATED',
  'SLOT_WRONG_KIND',
]);

/** Partitions are made a week ahead, so looking once an hour leaves 167 more tries. */
const partitionsIntervalMs = 3_600_000;

/**
 * After a failure it is tried again after so long, doubled up to the interval: each try may hold up the application's
 * INSERTs for the second that it waits for a lock, here a sixtieth of the time at most.
 */
const partitionsRetryMs = 60_000;

/** What there is to do about a day without a partition of its own. */
const skipMessages: Readonly<Record<SkipReason, string>> = {
  rows: 'the default partition holds rows of these days, so they stay there and no partition is made',
  large:
    'outbox.event_default is larger than 16 MB, so no partitions are made: attaching one would lock it while all of it is read. Delete what is published from it, then run VACUUM',
  overlap:
    'another partition covers these days or a part of them; outbox.partitionsDaysAhead 0 if all are made elsewhere',
};

/** Retention is of days or of very many; each look at it by count walks along what is kept. */
const purgeIntervalMs = 600_000;

/** Share of the time that removing may hold up the heartbeats for: 1 s of 10. A round that was begun is ended. */
const purgeShare = 0.1;

/** Share of the time that counting what is open may keep Postgres busy for: a million takes about 0.3 s. */
const countShare = 0.01;

/** One row of a view in shared memory, 0.2 ms: often enough to see a slot that is about to be lost before it is. */
const slotIntervalMs = 1_000;

export type UpkeepDependencies = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly progress: () => Progress;
  /** Identity of the publication when the session began. */
  readonly publication: string;
  /** How far the stream has got, the last heartbeat it brought, and rows of tables that only look like the outbox. */
  readonly stream: () => {
    readonly serverLsn: Lsn;
    readonly beat: number;
    readonly lookalikes: ReadonlyMap<string, number>;
  };
};

type Duty = (this: Upkeep, signal: AbortSignal) => Promise<void>;

export class Upkeep {
  readonly #use: UpkeepDependencies;
  readonly #lookalikes = new Map<string, number>();
  #pending: Heartbeat | undefined;
  #partitionsDueMs = Number.NEGATIVE_INFINITY;
  #partitionsRetryMs = partitionsRetryMs;
  readonly #uncovered = new UncoveredHeartbeats();
  #purgeDueMs = Number.NEGATIVE_INFINITY;
  #countDueMs = Number.NEGATIVE_INFINITY;

  constructor(dependencies: UpkeepDependencies) {
    this.#use = dependencies;
  }

  /**
   * Two loops that run until the signal; each begins nothing more then, and is at rest when it has ended. Whoever runs them
   * ends both when one fails, and waits for both: what one still wrote would come into the session after this one.
   * Rejects with a RelayError of class `stop`, or when the server is shutting down.
   */
  loops(signal: AbortSignal): readonly Promise<void>[] {
    const { heartbeatMs } = this.#use.config.capture;
    const atHeartbeat = [
      this.#watchPublication,
      this.#watchLookalikes,
      this.#heartbeat,
      this.#copyProgress,
      this.#makePartitions,
      this.#countDeadLetters,
      this.#purgeDeadLetters,
    ];
    return [
      this.#repeat(atHeartbeat, heartbeatMs, signal),
      // Apart: a statement that waits must not keep a slot that is about to be lost from being seen.
      this.#repeat([this.#watchSlot], Math.min(slotIntervalMs, heartbeatMs), signal),
    ];
  }

  async #repeat(duties: readonly Duty[], intervalMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const duty of duties) if (!signal.aborted) await this.#attempt(duty, signal);
      await pause(intervalMs, signal);
    }
  }

  /** To be told of each heartbeat as the stream brings it. @throws RelayError PUBLICATION_GAP */
  returned(beat: number, before: number): void {
    if (beat > before + 1)
      throw new RelayError(
        'PUBLICATION_GAP',
        `heartbeat ${beat} came after ${before}: what lies between was not streamed`,
      );
    if (this.#pending?.beat !== beat) return;
    this.#use.metrics.setHeartbeatRoundTrip((performance.now() - this.#pending.writtenMs) / 1000);
  }

  async #attempt(duty: Duty, signal: AbortSignal): Promise<void> {
    try {
      await duty.call(this, signal);
    } catch (error) {
      const failure = asRelayError(error);
      if (this.#mustEnd(duty, failure)) throw failure;
      this.#use.metrics.countError(failure.code);
      const level = failure.class === 'stop' ? 'error' : 'warn';
      this.#use.log[level]({ err: failure }, 'upkeep failed, it will be tried again');
    }
  }

  #mustEnd(duty: Duty, { code, context }: RelayError): boolean {
    // An outbox table that is gone or renamed is not streamed under its name any more.
    if (duty === this.#watchPublication && code === 'OUTBOX_TABLE_INVALID') return true;
    return endsTheStream.has(code) || context.sqlState === cannotConnectNow;
  }

  async #watchPublication(): Promise<void> {
    const { pool, config, publication } = this.#use;
    assertSamePublication(publication, await readPublication(pool, config));
    assertStreamable(await examineOutbox(pool, config), false);
    this.#uncovered.publicationIsSame();
  }

  /** As after the outbox was renamed and another one made in its place. */
  async #watchLookalikes(): Promise<void> {
    const { stream, log, metrics } = this.#use;
    for (const [table, rows] of stream().lookalikes) {
      const more = rows - (this.#lookalikes.get(table) ?? 0);
      if (more === 0) continue;
      this.#lookalikes.set(table, rows);
      metrics.countLookalikes(more);
      log.warn({ table, rows: more }, 'rows of a table that has all columns of the outbox are not published');
    }
  }

  async #heartbeat(): Promise<void> {
    const { config, pool, progress, stream } = this.#use;
    const { serverLsn, beat } = stream();
    const pending = this.#pending;
    if (pending !== undefined && serverLsn > pending.lsn && beat < pending.beat)
      throw new RelayError(
        'PUBLICATION_MISSING',
        `heartbeat ${pending.beat} did not come back although the stream has passed it`,
      );
    this.#pending = await writeHeartbeat(pool, config.slot, Math.max(beat, progress().beat));
    this.#uncovered.add(this.#pending);
    await failpoint('HEARTBEAT_WRITTEN');
  }

  async #copyProgress(): Promise<void> {
    const { pool } = this.#use;
    const progress = this.#use.progress();
    await storeProgress(pool, progress);
    const covered = this.#uncovered.covered(progress.beat);
    if (covered !== undefined) await storeCovered(pool, progress, covered);
    await failpoint('PROGRESS_COPIED');
  }

  async #watchSlot(): Promise<void> {
    const { pool, config, metrics } = this.#use;
    if ((await observeSlot(pool, config.slot, metrics)) === undefined)
      throw new RelayError('SLOT_MISSING', `slot ${config.slot} is gone`);
  }

  async #makePartitions(signal: AbortSignal): Promise<void> {
    const { config, pool, log } = this.#use;
    const daysAhead = config.outbox.partitionsDaysAhead;
    if (daysAhead === 0 || performance.now() < this.#partitionsDueMs) return;
    // Also where it fails: what it locks is the application's.
    this.#partitionsDueMs = performance.now() + this.#partitionsRetryMs;
    this.#partitionsRetryMs = Math.min(2 * this.#partitionsRetryMs, partitionsIntervalMs);
    const { made, skipped } = await ensurePartitions(pool, daysAhead, signal);
    this.#partitionsDueMs = performance.now() + partitionsIntervalMs;
    this.#partitionsRetryMs = partitionsRetryMs;
    if (made.length > 0) log.info({ partitions: made.length }, 'made partitions ahead');
    for (const [reason, partitions] of Object.entries(skipped))
      log.warn({ partitions }, skipMessages[reason as SkipReason]);
  }

  async #countDeadLetters(): Promise<void> {
    const { pool, config, metrics } = this.#use;
    const begunMs = performance.now();
    if (begunMs < this.#countDueMs) return;
    try {
      metrics.setWaiting(await readWaiting(pool, config.slot));
    } finally {
      const endedMs = performance.now();
      this.#countDueMs = endedMs + (endedMs - begunMs) / countShare;
    }
  }

  async #purgeDeadLetters(signal: AbortSignal): Promise<void> {
    const { config, pool, log } = this.#use;
    const { keepClosed, keepClosedDays } = config.deadLetters;
    const begunMs = performance.now();
    if (begunMs < this.#purgeDueMs) return;
    // Also where it fails: if it is too much for a statement's time limit, the heartbeats must not wait for it each time.
    this.#purgeDueMs = begunMs + purgeIntervalMs;
    const untilMs = begunMs + config.capture.heartbeatMs * purgeShare;
    const { purged, isDone } = await purgeClosed(pool, config.slot, {
      by: 'relay',
      keep: keepClosed === 0 ? undefined : keepClosed,
      olderThanSeconds: keepClosedDays === 0 ? undefined : keepClosedDays * 86_400,
      mayGoOn: () => !signal.aborted && performance.now() < untilMs,
    });
    // The rest at the next heartbeat.
    if (!isDone) this.#purgeDueMs = begunMs;
    if (purged > 0) log.info({ deadLetters: purged }, 'removed closed dead letters');
  }
}
