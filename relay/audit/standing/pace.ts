/** Owns how much of the servers the audit takes: at most so many rows and records in a second, on average. */
import { pause } from '../../connect/backoff.ts';
import { RelayError } from '../../errors.ts';

/** Shorter pauses cost more than they hold back. */
const leastPauseMs = 20;

export class Pace {
  readonly #perSecond: number;
  /** Ends the run. */
  readonly signal: AbortSignal;
  #beganMs = performance.now();
  #done = 0;

  /** @param perSecond 0: no limit */
  constructor(perSecond: number, signal: AbortSignal) {
    this.#perSecond = perSecond;
    this.signal = signal;
  }

  /** Call it after so many rows or records. @throws RelayError AUDIT_HELD_BACK if the run is to end */
  async took(count: number): Promise<void> {
    if (this.signal.aborted) throw new RelayError('AUDIT_HELD_BACK', 'the run was asked to end');
    if (this.#perSecond === 0) return;
    this.#done += count;
    const aheadMs = (this.#done / this.#perSecond) * 1_000 - (performance.now() - this.#beganMs);
    if (aheadMs >= leastPauseMs) await pause(aheadMs, this.signal);
    // What was not used cannot be saved up.
    if (aheadMs < 0) [this.#beganMs, this.#done] = [performance.now(), 0];
  }
}
