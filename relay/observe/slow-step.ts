/** Owns that no step on the way to streaming waits in silence: one that takes long says so, in the log and in `/readyz`. */
import type { Logger } from 'pino';
import type { Health } from './health.ts';

/** Ten times what any of them takes where all is well. */
const slowAfterMs = 5_000;

/** Waits for `work`, and reports a wait that takes long. @param doing as in `connecting to Kafka` */
export type Watched = <Result>(doing: string, work: Promise<Result>) => Promise<Result>;

type Watch = { readonly log: Logger; readonly health: Pick<Health, 'waitFor'>; readonly afterMs?: number };

/**
 * Waits for `work`, and tells every few seconds that it still does.
 * @param doing what is waited for, as in `connecting to Kafka`
 * @throws what `work` throws
 */
export async function tellIfSlow<Result>(
  { log, health, afterMs = slowAfterMs }: Watch,
  doing: string,
  work: Promise<Result>,
): Promise<Result> {
  const begunMs = performance.now();
  const timer = setInterval(() => {
    health.waitFor(doing);
    log.warn({ waitedMs: Math.round(performance.now() - begunMs) }, `still ${doing}`);
  }, afterMs);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    health.waitFor(undefined);
  }
}
