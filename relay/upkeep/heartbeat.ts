/**
 * Writes heartbeats and watches for them to come back on the stream. Their numbers have no gaps.
 *
 * Promise: a publication that went missing or was changed is noticed. Postgres goes on streaming without the table and
 * says nothing; but a stream that has passed the end of a heartbeat without bringing it shows it, and so does a heartbeat
 * number that is left out.
 */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { RelayError } from '../errors.ts';
import { type Heartbeat, writeHeartbeat } from '../ledger/heartbeat.ts';
import type { Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Duty } from './duty.ts';
import type { UncoveredHeartbeats } from './uncovered-heartbeats.ts';

type Means = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly observer: RelayObserver;
  readonly progress: () => Progress;
  readonly stream: () => {
    readonly serverLsn: Lsn;
    readonly beat: number;
    readonly serverStart?: string | undefined;
  };
};

export class Heartbeats {
  readonly #use: Means;
  readonly #uncovered: UncoveredHeartbeats;
  #pending: Heartbeat | undefined;
  /** The latest that came back. It may come before Postgres has answered the write. */
  #latest: { readonly beat: number; readonly returnedMs: number } | undefined;

  constructor(means: Means, uncovered: UncoveredHeartbeats) {
    this.#use = means;
    this.#uncovered = uncovered;
  }

  get duty(): Duty {
    return {
      name: 'heartbeat',
      everyMs: this.#use.config.capture.heartbeatMs,
      run: () => this.#write(),
    };
  }

  /** Takes each heartbeat that the stream brings, and the one before it. @throws RelayError PUBLICATION_GAP */
  returned(beat: number, before: number): void {
    if (beat > before + 1)
      throw new RelayError(
        'PUBLICATION_GAP',
        `heartbeat ${beat} came after ${before}: what lies between was not streamed`,
      );
    this.#latest = { beat, returnedMs: performance.now() };
    this.#report();
  }

  #report(): void {
    const [pending, latest] = [this.#pending, this.#latest];
    if (pending === undefined || pending.beat !== latest?.beat) return;
    const roundTripMs = latest.returnedMs - pending.writtenMs;
    this.#use.observer.heartbeatReturned?.({ beat: pending.beat, roundTripMs });
  }

  async #write(): Promise<void> {
    const { config, pool, progress, stream } = this.#use;
    const { serverLsn, beat, serverStart } = stream();
    const pending = this.#pending;
    if (pending !== undefined && serverLsn > pending.lsn && beat < pending.beat)
      throw new RelayError(
        'PUBLICATION_MISSING',
        `heartbeat ${pending.beat} did not come back although the stream has passed it`,
      );
    const floor = Math.max(beat, progress().beat);
    this.#pending = await writeHeartbeat(pool, config.slot.name, floor, serverStart);
    this.#uncovered.add(this.#pending);
    this.#report();
    await failpoint('HEARTBEAT_WRITTEN');
  }
}
