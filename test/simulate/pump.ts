/** Runs the model's scheduler in real time, so that code with timers of its own can work against it. */
import type { Scheduler } from '../../simulate/scheduler.ts';

/** Runs each step when it is due, until the returned function is called. */
export function pump(scheduler: Scheduler): () => void {
  const begunMs = performance.now();
  let isEnded = false;
  const run = () => {
    const nowMs = performance.now() - begunMs;
    while (scheduler.nextMs <= nowMs) scheduler.step();
    scheduler.nowMs = Math.max(scheduler.nowMs, nowMs);
    if (!isEnded) setImmediate(run);
  };
  run();
  return () => {
    isEnded = true;
  };
}
