/**
 * Announces a relay in Postgres: where it runs, what it does, how fast, and what went wrong last. At each change of state
 * and every few seconds, in standby too, so that `status` shows every relay of a slot without reaching any of them. A relay
 * that cannot announce itself goes on as if it could.
 */

import { hostname } from 'node:os';
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { version } from '../config/version.ts';
import { pause } from '../connect/backoff.ts';
import { createPool } from '../connect/postgres/pool.ts';
import { asRelayError, type RelayError } from '../errors.ts';
import {
  type Announcement,
  announce,
  type CleanupFacts,
  endLastWords,
  forgetGone,
  type RelayFacts,
  readRelays,
  withdraw,
} from '../ledger/relays.ts';
import { withResolvers } from '../model/builtins.ts';
import type { Control } from '../model/control.ts';
import { type LastWords, lastWordsOf } from '../model/last-words.ts';
import type { Lsn } from '../model/position.ts';
import type { Facts } from '../observe/facts.ts';
import type { Readiness } from '../observe/health.ts';
import { lagOf } from '../observe/lag.ts';
import type { Listener } from '../observe/observer.ts';
import { shownMessage, storable } from '../observe/shown-text.ts';
import { KnownHanging } from './known-hanging.ts';

const everyMs = 3_000;
/** A relay that cannot reach Postgres tries less often: it has nothing to say that cannot wait. */
const retryMs = 15_000;
/**
 * At the end; a server that does not answer must not hold up the exit. A busy one takes a second, and without its goodbye a
 * relay counts as one that died.
 */
const farewellMs = 3_000;
const closeMs = 1_000;
/** What stopped a relay is worth a restart of Postgres: nobody waits for the process any more. */
const lastWordsMs = 5_000;
const lastWordsRetryMs = 250;
/** In bytes. Together less than the 8 KB of the row, and more than any message of the relay needs. */
const reasonMax = 500;
const messageMax = 1_800;
const hintMax = 1_200;

export type AnnouncerOptions = {
  readonly config: Config;
  readonly instance: string;
  readonly health: { readonly ready: () => Pick<Readiness, 'ready' | 'reason'> };
  /** While this relay does not stream: what another one of the slot said last, before it stopped itself. */
  readonly onLastWords?: (words: LastWords | null) => void;
  /** Said once, until it works again. */
  readonly onFailure: (failure: RelayError, retryInMs: number) => void;
};

export class Announcer {
  readonly #use: AnnouncerOptions;
  readonly #pool: pg.Pool;
  readonly #startedMs = Date.now();
  readonly #ending = new AbortController();
  #httpAddress = '';
  #state: Announcement['state'] = 'standby';
  #stateSinceMs = Date.now();
  #revision: number | null = null;
  #transactionVersion: 1 | 2 | null = null;
  #events = 0;
  #saidMs = performance.now();
  #sample: Facts['sampled'] | undefined;
  #writtenLsn: Lsn | undefined;
  #pace: Facts['paced'] = { obstacle: undefined, isLimited: false };
  #isRecovering = false;
  #hasRejectedConfig = false;
  #needRestart: readonly string[] = [];
  /** Of a pass of cleanup whose survey of the table has not come yet. */
  #pass: Facts['cleanedUp'] | undefined;
  #removal: { readonly atMs: number; readonly removed: NonNullable<CleanupFacts['lastRemoval']> } | undefined;
  #cleanup: CleanupFacts | null = null;
  readonly #hanging = new KnownHanging();
  /** `hasPublished`: since then. Until that the next one of its kind goes on from where it began. */
  #error: { failure: RelayError; sinceMs: number; isOver: boolean; hasPublished: boolean } | undefined;
  /** The stream of this session has brought what this relay wrote for it. */
  #hasReturned = false;
  /** It streams, or ends after it did: what stopped others before is over. */
  #isActive = false;
  /** Its last attempt to announce itself failed. */
  #isFailing = false;
  #wake = withResolvers<void>();
  #loop: Promise<void> | undefined;

  constructor(options: AnnouncerOptions) {
    this.#use = options;
    this.#pool = createPool(options.config);
  }

  get listener(): Listener {
    return {
      name: 'announcer',
      hears: {
        entered: ({ state, before }) => {
          this.#isActive = state === 'streaming' || (state === 'draining' && before === 'streaming');
          this.#state = state;
          this.#stateSinceMs = Date.now();
          this.#hasReturned = false;
          if (state !== 'streaming') {
            this.#sample = undefined;
            this.#pace = { obstacle: undefined, isLimited: false };
            this.#cleanup = null;
            this.#transactionVersion = null;
            this.#hanging.forget();
          }
          if (state === 'standby') this.#revision = null;
          this.#wake.resolve();
        },
        sessionBegun: ({ transactionVersion }) => {
          this.#transactionVersion = transactionVersion;
        },
        protocolChanged: ({ transactionVersion }) => {
          this.#transactionVersion = transactionVersion;
          this.#wake.resolve();
        },
        controlled: ({ control }) => this.obey(control),
        committed: ({ events }) => {
          this.#events += events;
          this.#recovered();
        },
        configRead: (read) => {
          this.#hasRejectedConfig = read.result === 'rejected';
          if (read.result !== 'rejected') this.#needRestart = read.needRestart;
        },
        recoveryBegun: () => {
          this.#isRecovering = true;
          this.#wake.resolve();
        },
        recoveryEnded: ({ outcome }) => {
          this.#isRecovering = false;
          if (outcome === 'recovered') this.#recovered();
          this.#wake.resolve();
        },
        recovered: () => this.#recovered(),
        heartbeatReturned: () => {
          this.#hasReturned = true;
        },
        sampled: (sample) => this.#heedSample(sample),
        cleanedUp: (pass) => {
          this.#pass = pass;
        },
        // Comes after each pass of cleanup, and without one while cleanup is off.
        outboxSurveyed: ({ lastRemovalMs }) => this.#survey(lastRemovalMs),
        endsSeen: (seen) => {
          const before = this.#hanging.count;
          this.#hanging.note(seen, Date.now());
          if (before !== this.#hanging.count) this.#wake.resolve();
        },
        slotSeen: ({ writtenLsn }) => {
          this.#writtenLsn = writtenLsn;
        },
        paced: (pace) => {
          this.#pace = pace;
        },
        retried: ({ failure }) => this.#fail(failure),
        // Postgres answers again, and a standby changes no state that would tell.
        peerSeen: () => {
          if (this.#isFailing) this.#wake.resolve();
        },
        stopped: ({ failure }) => {
          this.#fail(failure);
          this.#stop();
        },
      },
    };
  }

  #survey(lastRemovalMs: number | null): void {
    const { rows = 0, partitions = 0, bytes = 0 } = this.#pass ?? {};
    if (lastRemovalMs !== null && rows + partitions > 0)
      this.#removal = { atMs: lastRemovalMs, removed: { rows, partitions, bytes } };
    this.#cleanup = {
      lookedAt: new Date().toISOString(),
      lastRemovalAt: lastRemovalMs === null ? null : new Date(lastRemovalMs).toISOString(),
      lastRemoval: this.#removal?.atMs === lastRemovalMs ? this.#removal.removed : null,
      kept: this.#pass === undefined ? null : withoutUnused(this.#pass),
    };
    this.#pass = undefined;
  }

  /** It obeys what people say as of then. */
  obey({ revision }: Pick<Control, 'revision'>): void {
    if (revision === this.#revision) return;
    this.#revision = revision;
    this.#wake.resolve();
  }

  /** It is no relay, but recovers for a person. */
  beginRecovery(): void {
    this.#state = 'recovering';
    this.#isRecovering = true;
  }

  /** @param httpAddress where /readyz and /metrics are served; empty for nowhere */
  start(httpAddress: string): void {
    this.#httpAddress = httpAddress;
    this.#loop = this.#repeat();
  }

  /** It could not start. */
  async endWith(failure: RelayError): Promise<void> {
    this.#fail(failure);
    this.#stop();
    await this.end();
  }

  #fail(failure: RelayError): void {
    const before = this.#error;
    const isSame = before?.hasPublished === false && before.failure.code === failure.code;
    const sinceMs = isSame ? before.sinceMs : Date.now();
    this.#error = { failure, sinceMs, isOver: false, hasPublished: false };
    if (!isSame || before.isOver) this.#wake.resolve();
  }

  /** Something was published, or what failed within the session has succeeded. */
  #recovered(): void {
    if (this.#error === undefined) return;
    this.#error.hasPublished = true;
    this.#end(this.#error);
  }

  /** Who looks must not read for seconds that it fails still. */
  #end(error: { isOver: boolean }): void {
    if (error.isOver) return;
    error.isOver = true;
    this.#wake.resolve();
  }

  /**
   * An idle relay commits its next progress seconds later. That its heartbeat has come back on the stream, and that nothing
   * waits, shows before that it streams.
   */
  #heedSample(sample: Facts['sampled']): void {
    const { state, stream, inFlightEvents } = sample;
    const isFirst = stream !== undefined && this.#sample?.stream === undefined;
    this.#sample = sample;
    if (state !== 'streaming' || this.#state !== 'streaming') return;
    const isIdle = stream !== undefined && stream.oldestMs === 0 && inFlightEvents === 0;
    if (this.#error !== undefined && this.#hasReturned && isIdle) this.#end(this.#error);
    if (isFirst) this.#wake.resolve();
  }

  #stop(): void {
    this.#state = 'stopped';
    this.#stateSinceMs = Date.now();
    this.#isActive = false;
    // At once: to close everything may take long, and somebody may kill the process before.
    this.#wake.resolve();
  }

  /** A relay that ends because it was asked to is gone; what stopped another one stays for people to see. */
  async end(): Promise<void> {
    this.#ending.abort();
    this.#wake.resolve();
    const isStopped = this.#state === 'stopped';
    const giveUp = new AbortController();
    const farewell = (async () => {
      await this.#loop;
      if (isStopped) await this.#sayLastWords(giveUp.signal);
      else await this.#withdraw();
    })().catch(() => {});
    await withinMs(farewell, isStopped ? lastWordsMs : farewellMs);
    giveUp.abort();
    await withinMs(
      this.#pool.end().catch(() => {}),
      closeMs,
    );
  }

  async #sayLastWords(giveUp: AbortSignal): Promise<void> {
    while (!giveUp.aborted) {
      try {
        return await announce(this.#pool, this.#announcement());
      } catch (error) {
        // A password that is wrong stays wrong, and some servers lock a role after some attempts.
        if (asRelayError(error).class !== 'retry') return;
        await pause(lastWordsRetryMs, giveUp);
      }
    }
  }

  async #withdraw(): Promise<void> {
    const { config, instance } = this.#use;
    if (this.#isActive) await endLastWords(this.#pool, config.slot.name, instance);
    await withdraw(this.#pool, config.slot.name, instance);
  }

  async #repeat(): Promise<void> {
    const slot = this.#use.config.slot.name;
    for (let round = 0; !this.#ending.signal.aborted; round++) {
      this.#wake = withResolvers();
      try {
        await announce(this.#pool, this.#announcement());
        await this.#lookAtOthers();
        if (round % 100 === 0) await forgetGone(this.#pool, slot);
        this.#isFailing = false;
      } catch (error) {
        if (!this.#isFailing) this.#use.onFailure(asRelayError(error), retryMs);
        this.#isFailing = true;
      }
      await withinMs(this.#wake.promise, this.#isFailing ? retryMs : everyMs);
    }
  }

  /** Again and again: another relay may say that it has stopped after this one began to stream. */
  async #lookAtOthers(): Promise<void> {
    const { config, instance, onLastWords } = this.#use;
    const slot = config.slot.name;
    if (this.#isActive) await endLastWords(this.#pool, slot, instance);
    else if (onLastWords !== undefined && this.#state !== 'stopped')
      onLastWords(lastWordsOf(await readRelays(this.#pool, slot)));
  }

  #announcement(): Announcement {
    const { config, instance } = this.#use;
    return {
      slot: config.slot.name,
      instance,
      host: hostname(),
      version,
      startedMs: this.#startedMs,
      state: this.#state,
      stateSinceMs: this.#stateSinceMs,
      everySeconds: everyMs / 1_000,
      httpAddress: this.#httpAddress,
      revision: this.#revision,
      facts: this.#facts(),
    };
  }

  #facts(): RelayFacts {
    const nowMs = performance.now();
    const seconds = (nowMs - this.#saidMs) / 1_000;
    // Soon after the last one there is too little to tell a rate from.
    const isSoon = seconds < 1;
    const eventsPerSecond = this.#state !== 'streaming' || isSoon ? null : this.#events / seconds;
    if (!isSoon) {
      this.#events = 0;
      this.#saidMs = nowMs;
    }
    const lag = this.#sample && lagOf(this.#sample, this.#writtenLsn);
    const { ready, reason } = this.#use.health.ready();
    return {
      isReady: ready,
      reason: storable(reason, reasonMax),
      eventsPerSecond,
      lagMs: lag?.ms ?? null,
      lagEvents: lag?.events ?? null,
      lagBytes: lag?.bytes ?? null,
      isStanding: this.#state === 'streaming' && this.#pace.obstacle !== undefined,
      isLimited: this.#state === 'streaming' && this.#pace.isLimited,
      isRecovering: this.#isRecovering,
      hasRejectedConfig: this.#hasRejectedConfig,
      needRestart: this.#needRestart,
      transactionVersion: this.#transactionVersion,
      whenLost: this.#use.config.slot.whenLost,
      cleanup: this.#cleanup,
      hanging: this.#hanging.facts,
      error: this.#describeError(),
    };
  }

  #describeError(): RelayFacts['error'] {
    if (this.#error === undefined) return null;
    const { failure, sinceMs, isOver } = this.#error;
    return {
      code: failure.code,
      message: storable(shownMessage(failure), messageMax),
      hint: storable(failure.hint, hintMax),
      since: new Date(sinceMs).toISOString(),
      isOver,
    };
  }
}

/** Partitions that were made ahead wait for nothing. */
function withoutUnused({ kept, unused }: Facts['cleanedUp']): Facts['cleanedUp']['kept'] {
  const { retention = 0, ...others } = kept;
  return retention > unused ? { ...others, retention: retention - unused } : others;
}

/** Waits for `work`, or as long as it may take. */
async function withinMs(work: Promise<void>, limitMs: number): Promise<void> {
  const late = withResolvers<void>();
  const timer = setTimeout(late.resolve, limitMs);
  await Promise.race([work, late.promise]);
  clearTimeout(timer);
}
