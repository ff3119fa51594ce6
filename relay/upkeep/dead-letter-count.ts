/** Counts the dead letters that wait for a person. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { readWaiting } from '../ledger/dead-letters.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Duty } from './duty.ts';

/**
 * Share of the time that counting may keep Postgres busy for: a million takes about 0.3 s. Only what Postgres itself took
 * counts. Under load the wait for a connection alone can take a second, and a count of three would be minutes old.
 */
const countShareMax = 0.01;

type Means = { readonly config: Config; readonly pool: pg.Pool; readonly observer: RelayObserver };

export function deadLetterCountDuty({ config, pool, observer }: Means): Duty {
  let busyMs = 0;
  return {
    name: 'dead_letter_count',
    everyMs: config.capture.heartbeatMs,
    shareMax: countShareMax,
    busyMs: () => busyMs,
    run: async () => {
      const { tookMs, ...waiting } = await readWaiting(pool, config.slot.name);
      busyMs = tookMs;
      observer.deadLettersCounted?.(waiting);
    },
  };
}
