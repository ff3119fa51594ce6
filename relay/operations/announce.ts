/**
 * Announces a relay in Postgres: where it runs, what it does, how fast, and what went wrong last. At each change of state
 * and every few seconds, in standby too, so that `status` shows every relay of a slot without reaching any of them. A relay
 * that cannot announce itself goes on as if it could.
 */

import { hostname } from 'node:os';
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { version } from '../config/version.ts';
import { createPool } from '../connect/postgres/pool.ts';
import { asRelayError, type RelayError } from '../errors.ts';
import {
  type Announcement,
  announce,
  type CleanupFacts,
  forgetGone,
  type RelayFacts,
  withdraw,
} from '../ledger/relays.ts';
import { withResolvers } from '../model/builtins.ts';
import type { Control } from '../model/control.ts';
import type { Lsn } from '../model/position.ts';
import type { Facts } from '../observe/facts.ts';
import type { Readiness } from '../observe/health.ts';
import { lagOf } from '../observe/lag.ts';
import type { Listener } from '../observe/observer.ts';

const everyMs = 3_000;
/** A relay that cannot reach Postgres tries less often: it has nothing to say that cannot wait. */
const retryMs = 15_000;
/** At the end; a server that does not answer must not hold up the exit. */
const farewellMs = 1_000;
/** No message of the relay needs more. */
const textMax = 500;

export type AnnouncerOptions = {
  readonly config: Config;
  readonly instance: string;
  readonly health: { readonly ready: () => Pick<Readiness, 'ready' | 'reason'> };
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
  #events = 0;
  #saidMs = performance.now();
  #sample: Facts['sampled'] | undefined;
  #writtenLsn: Lsn | undefined;
  #pace: Facts['paced'] = { obstacle: undefined, isLimited: false };
  #isRecovering = false;
  #hasRejectedConfig = false;
  #needRestart: readonly string[] = [];
  #kept: Facts['cleanedUp']['kept'] | undefined;
  #cleanup: CleanupFacts | null = null;
  #error: { failure: RelayError; sinceMs: number; isOver: boolean } | undefined;
  #wake = withResolvers<void>();
  #loop: Promise<void> | undefined;

  constructor(options: AnnouncerOptions) {
    this.#use = options;
    this.#pool = createPool(options.config);
  }

  get listener(): Listener {
    const failed = ({ failure }: Pick<Facts['retried'], 'failure'>) => {
      const isSame = this.#error?.isOver === false && this.#error.failure.code === failure.code;
      this.#error = { failure, sinceMs: isSame ? this.#error!.sinceMs : Date.now(), isOver: false };
    };
    return {
      name: 'announcer',
      hears: {
        entered: ({ state }) => {
          this.#state = state;
          this.#stateSinceMs = Date.now();
          if (state !== 'streaming') {
            this.#sample = undefined;
            this.#cleanup = null;
          }
          if (state === 'standby') this.#revision = null;
          this.#wake.resolve();
        },
        controlled: ({ control }) => this.obey(control),
        committed: ({ events }) => {
          this.#events += events;
          if (this.#error !== undefined) this.#error.isOver = true;
        },
        configRead: (read) => {
          this.#hasRejectedConfig = read.result === 'rejected';
          if (read.result !== 'rejected') this.#needRestart = read.needRestart;
        },
        recoveryBegun: () => {
          this.#isRecovering = true;
          this.#wake.resolve();
        },
        recoveryEnded: () => {
          this.#isRecovering = false;
          this.#wake.resolve();
        },
        recovered: () => {
          if (this.#error !== undefined) this.#error.isOver = true;
        },
        sampled: (sample) => {
          this.#sample = sample;
        },
        cleanedUp: ({ kept }) => {
          this.#kept = kept;
        },
        // Comes after each pass of cleanup, and without one while cleanup is off.
        outboxSurveyed: ({ lastRemovalMs }) => {
          this.#cleanup = {
            lookedAt: new Date().toISOString(),
            lastRemovalAt: lastRemovalMs === null ? null : new Date(lastRemovalMs).toISOString(),
            kept: this.#kept ?? null,
          };
          this.#kept = undefined;
        },
        slotSeen: ({ writtenLsn }) => {
          this.#writtenLsn = writtenLsn;
        },
        paced: (pace) => {
          this.#pace = pace;
        },
        retried: failed,
        stopped: (stopped) => {
          failed(stopped);
          this.#state = 'stopped';
          this.#stateSinceMs = Date.now();
        },
      },
    };
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

  /** A relay that ends because it was asked to is gone; what stopped another one stays for people to see. */
  async end(): Promise<void> {
    this.#ending.abort();
    this.#wake.resolve();
    const farewell = (async () => {
      await this.#loop;
      const { config, instance } = this.#use;
      if (this.#state === 'stopped') await announce(this.#pool, this.#announcement());
      else await withdraw(this.#pool, config.slot.name, instance);
    })().catch(() => {});
    await withinMs(farewell, farewellMs);
    await withinMs(
      this.#pool.end().catch(() => {}),
      farewellMs,
    );
  }

  async #repeat(): Promise<void> {
    const slot = this.#use.config.slot.name;
    let isFailing = false;
    for (let round = 0; !this.#ending.signal.aborted; round++) {
      this.#wake = withResolvers();
      try {
        await announce(this.#pool, this.#announcement());
        if (round % 100 === 0) await forgetGone(this.#pool, slot);
        isFailing = false;
      } catch (error) {
        if (!isFailing) this.#use.onFailure(asRelayError(error), retryMs);
        isFailing = true;
      }
      await withinMs(this.#wake.promise, isFailing ? retryMs : everyMs);
    }
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
      reason: reason.slice(0, textMax),
      eventsPerSecond,
      lagMs: lag?.ms ?? null,
      lagBytes: lag?.bytes ?? null,
      isStanding: this.#state === 'streaming' && this.#pace.obstacle !== undefined,
      isLimited: this.#state === 'streaming' && this.#pace.isLimited,
      isRecovering: this.#isRecovering,
      hasRejectedConfig: this.#hasRejectedConfig,
      needRestart: this.#needRestart,
      cleanup: this.#cleanup,
      error: this.#describeError(),
    };
  }

  #describeError(): RelayFacts['error'] {
    if (this.#error === undefined) return null;
    const { failure, sinceMs, isOver } = this.#error;
    return {
      code: failure.code,
      message: failure.message.slice(0, textMax),
      hint: failure.hint.slice(0, 2 * textMax),
      since: new Date(sinceMs).toISOString(),
      isOver,
    };
  }
}

/** Waits for `work`, or as long as it may take. */
async function withinMs(work: Promise<void>, limitMs: number): Promise<void> {
  const late = withResolvers<void>();
  const timer = setTimeout(late.resolve, limitMs);
  await Promise.race([work, late.promise]);
  clearTimeout(timer);
}
