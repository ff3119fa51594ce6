/**
 * What a streaming relay does every few seconds beside publishing: a heartbeat, the copy of the progress, partitions made
 * ahead, a look at the slot and at the open dead letters. A failure is reported and tried again, unless its class is `stop`.
 *
 * Promise: a publication that went missing, or was changed, is noticed. Postgres streams on without the table and says
 * nothing; but the publication is then another one, a stream that has passed the end of a heartbeat without bringing it
 * shows it, and so does a heartbeat number left out.
 */
import type pg from 'pg';
import type { Logger } from 'pino';
import { pause } from '../backoff.ts';
import { assertSamePublication, readPublication } from '../capture/publication.ts';
import type { Config } from '../config.ts';
import { purgeClosed } from '../dead-letters/purge.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Lsn } from '../position.ts';
import type { Progress } from '../progress.ts';
import { type Heartbeat, storeProgress, writeHeartbeat } from './bookkeeping.ts';
import { readWaiting } from './dead-letters.ts';
import { ensurePartitions } from './partitions.ts';
import { observeSlot } from './slot-health.ts';

/**
 * SQLSTATE of a server that takes no connections. While the stream lives, it is shutting down and waits for us: its
 * walsender ends when all WAL is acknowledged, of which the last records are in no transaction and so never are. Whoever
 * kept the stream open would keep the server from ending, and a switchover from happening.
 */
const cannotConnectNow = '57P03';

/** Partitions are made a week ahead, so looking once an hour leaves 167 more tries. */
const partitionsIntervalMs = 3_600_000;

/** Retention is of days or of very many; each look at it by count walks along what is kept. */
const purgeIntervalMs = 600_000;

/** Share of the time that removing may hold up the heartbeats for: 1 s of 10. A round that was begun is ended. */
const purgeShare = 0.1;

/** Share of the time that counting what is open may keep Postgres busy for: a million takes about 0.3 s. */
const countShare = 0.01;

/** One row of a view in shared memory, 0.2 ms: often enough to see a slot that is about to be lost before it is. */
const slotIntervalMs = 1_000;

export type HousekeepingDependencies = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly progress: () => Progress;
  /** Identity of the publication when the session began. */
  readonly publication: string;
  /** How far the stream has got, and the last heartbeat it brought. */
  readonly stream: () => { readonly serverLsn: Lsn; readonly beat: number };
};

type Duty = (this: Housekeeping, signal: AbortSignal) => Promise<void>;

export class Housekeeping {
  readonly #use: HousekeepingDependencies;
  #pending: Heartbeat | undefined;
  #partitionsMadeMs = Number.NEGATIVE_INFINITY;
  #purgeDueMs = Number.NEGATIVE_INFINITY;
  #countDueMs = Number.NEGATIVE_INFINITY;

  constructor(dependencies: HousekeepingDependencies) {
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
      if (failure.class === 'stop' || failure.context.sqlState === cannotConnectNow) throw failure;
      this.#use.metrics.countError(failure.code);
      this.#use.log.warn({ err: failure }, 'housekeeping failed, it will be tried again');
    }
  }

  async #watchPublication(): Promise<void> {
    const { pool, config, publication } = this.#use;
    assertSamePublication(publication, await readPublication(pool, config));
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
    await failpoint('HEARTBEAT_WRITTEN');
  }

  async #copyProgress(): Promise<void> {
    await storeProgress(this.#use.pool, this.#use.progress());
    await failpoint('PROGRESS_COPIED');
  }

  async #watchSlot(): Promise<void> {
    const { pool, config, metrics } = this.#use;
    if ((await observeSlot(pool, config.slot, metrics)) === undefined)
      throw new RelayError('SLOT_MISSING', `slot ${config.slot} is gone`);
  }

  async #makePartitions(): Promise<void> {
    const daysAhead = this.#use.config.outbox.partitionsDaysAhead;
    if (daysAhead === 0 || performance.now() - this.#partitionsMadeMs < partitionsIntervalMs) return;
    const made = await ensurePartitions(this.#use.pool, daysAhead);
    this.#partitionsMadeMs = performance.now();
    if (made.length > 0) this.#use.log.info({ partitions: made.length }, 'made partitions ahead');
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
