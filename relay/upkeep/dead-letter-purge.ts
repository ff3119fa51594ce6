/** Removes closed dead letters as `deadLetters.keepClosed` and `deadLetters.keepClosedDays` say. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { pause } from '../connect/backoff.ts';
import { purgeClosed } from '../ledger/purge.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Duty } from './duty.ts';

/** Retention is of days or of very many; each look at it by count walks along what is kept. */
const purgeIntervalMs = 600_000;

/** Share of the time that it may keep Postgres busy for: 1 s of 10. It ends a round that it has begun. */
const purgeShareMax = 0.1;

type Means = { readonly config: Config; readonly pool: pg.Pool; readonly observer: RelayObserver };

export function deadLetterPurgeDuty({ config, pool, observer }: Means): Duty {
  const { heartbeatMs } = config.capture;
  return {
    name: 'dead_letter_purge',
    everyMs: purgeIntervalMs,
    run: async (signal) => {
      // At each run: they change without a restart.
      const { keepClosed, keepClosedDays } = config.deadLetters;
      const retention = {
        by: 'relay',
        keep: keepClosed === 0 ? undefined : keepClosed,
        olderThanSeconds: keepClosedDays === 0 ? undefined : keepClosedDays * 86_400,
      } as const;
      for (let isAllDone = false; !isAllDone && !signal.aborted; ) {
        const untilMs = performance.now() + heartbeatMs * purgeShareMax;
        const mayGoOn = () => !signal.aborted && performance.now() < untilMs;
        const { purged, isDone } = await purgeClosed(pool, config.slot.name, { ...retention, mayGoOn });
        if (purged > 0) observer.deadLettersPurged?.({ deadLetters: purged });
        isAllDone = isDone;
        if (!isDone) await pause(heartbeatMs, signal);
      }
    },
  };
}
