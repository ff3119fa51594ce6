/**
 * Reads every second what people have told the relay, and has the stream obey. Ends what is over, and releases the keys that
 * waited because a topic was set aside.
 */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { pause } from '../connect/backoff.ts';
import { endExpiredPauses, readControl, releasePaused } from '../ledger/control.ts';
import type { Control } from '../model/control.ts';
import type { Duty } from './duty.ts';

/** How late the stream obeys at most. The two tables hold a few rows, so a look takes 0.2 ms. */
const lookMs = 1_000;
/** Between two looks at releases under way. */
const releaseMs = 100;

type Means = {
  readonly config: Config;
  readonly pool: pg.Pool;
  /** Resolves when nothing that was decided before is still on its way. */
  readonly obey: (control: Control) => Promise<void>;
};

export function controlDuty({ config, pool, obey }: Means): Duty {
  const slot = config.slot.name;
  return {
    name: 'control',
    everyMs: Math.min(lookMs, config.capture.heartbeatMs),
    run: async (signal) => {
      const control = await readControl(pool, slot);
      await obey(control);
      if (signal.aborted) return;
      if (control.pauses.some(({ isOver, isReleasing }) => isOver && !isReleasing))
        await endExpiredPauses(pool, slot);
      const untilMs = performance.now() + lookMs;
      for (const { topic, isReleasing } of control.pauses)
        while (isReleasing && topic !== null && performance.now() < untilMs && !signal.aborted) {
          if ((await releasePaused(pool, slot, topic)) === 0) break;
          await pause(releaseMs, signal);
        }
    },
  };
}
