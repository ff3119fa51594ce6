/** Counts the dead letters that wait for a person. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { readWaiting } from '../ledger/dead-letters.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Duty } from './duty.ts';

/** Share of the time that counting may keep Postgres busy for: a million takes about 0.3 s. */
const countShareMax = 0.01;

type Means = { readonly config: Config; readonly pool: pg.Pool; readonly metrics: Metrics };

export function deadLetterCountDuty({ config, pool, metrics }: Means): Duty {
  return {
    name: 'dead-letter count',
    everyMs: config.capture.heartbeatMs,
    shareMax: countShareMax,
    run: async () => metrics.setWaiting(await readWaiting(pool, config.slot)),
  };
}
