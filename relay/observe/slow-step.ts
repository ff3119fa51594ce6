/** Owns that no step on the way to streaming waits in silence: one that takes long says so. */
import type { RelayObserver } from './observer.ts';

/** Ten times what any of them takes where all is well. */
const slowAfterMs = 5_000;

/** Waits for `work`, and reports a wait that takes long. @param doing as in `connecting to Kafka` */
export type Watched = <Result>(doing: string, work: Promise<Result>) => Promise<Result>;

/** @returns waits for `work`, says every few seconds that it still does, and throws what `work` throws */
export function watchSteps(observer: RelayObserver, afterMs = slowAfterMs): Watched {
  return async (doing, work) => {
    const begunMs = performance.now();
    const say = () => observer.waited?.({ doing, waitedMs: performance.now() - begunMs });
    const timer = setInterval(say, afterMs);
    try {
      return await work;
    } finally {
      clearInterval(timer);
      observer.stepEnded?.({ doing });
    }
  };
}
