/** Counts the dead letters that wait for a person. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { readWaiting } from '../ledger/dead-letters.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Duty } from './duty.ts';

/** Share of the time that counting may keep Postgres busy for: a million takes about 0.3 s. */
const countShareMax = 0.01;

type Means = { readonly config: Config; readonly pool: pg.Pool; readonly observer: RelayObserver };

export function deadLetterCountDuty({ config, pool, observer }: Means): Duty {
  return {
    name: 'dead_letter_count',
    everyMs: config.capture.heartbeatMs,
    shareMax: countShareMax,
    run: async () => {
      const waiting = await readWaiting(pool, config.slot.name);
      observer.deadLettersCounted?.(waiting);
    },
  };
}
