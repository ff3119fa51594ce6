/** Owns how long a stage of a recovery will still take, as far as its own pace tells. */
import type { RecoverStage } from './options.ts';

/** Before that, the pace of a stage is chance. */
const settledMs = 2_000;

export class StageClock {
  readonly #now: () => number;
  #stage: RecoverStage['stage'] | undefined;
  #beganMs = 0;
  #first = 0;

  /** @param now for tests: ms on a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The stage with the time left. `leftMs` stays out while nobody can tell: at the beginning, or without a total. */
  timed(stage: RecoverStage): RecoverStage {
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
