/** Owns how long a stage of a recovery, or of a take-over, will still take, as far as its own pace tells. */

/** A stage of some work, and how far it is. */
type Stage = {
  readonly stage: string;
  readonly done: number;
  readonly total?: number;
  readonly leftMs?: number;
};

/** Before that, the pace of a stage is chance. */
const settledMs = 2_000;

export class StageClock {
  readonly #now: () => number;
  #stage: string | undefined;
  #beganMs = 0;
  #first = 0;

  /** @param now for tests: ms on a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The stage with the time left. `leftMs` stays out while nobody can tell: at the beginning, or without a total. */
  timed<Kind extends Stage>(stage: Kind): Kind {
    const nowMs = this.#now();
    if (stage.stage !== this.#stage) {
      this.#stage = stage.stage;
      this.#beganMs = nowMs;
      this.#first = stage.done;
    }
    const { done, total } = stage;
    const tookMs = nowMs - this.#beganMs;
    const passed = done - this.#first;
    if (total === undefined || done > total || passed <= 0 || tookMs < settledMs) return stage;
    return { ...stage, leftMs: (tookMs * (total - done)) / passed };
  }
}
