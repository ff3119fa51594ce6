/** Copies the progress from Kafka to `outbox.progress`, and with it the latest snapshot that it covers, for `recover`. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { storeProgress } from '../ledger/progress-copy.ts';
import { storeCovered } from '../ledger/snapshots.ts';
import type { Progress } from '../model/progress.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { Duty } from './duty.ts';
import type { UncoveredHeartbeats } from './uncovered-heartbeats.ts';

type Means = { readonly config: Config; readonly pool: pg.Pool; readonly progress: () => Progress };

export function progressCopyDuty(means: Means, uncovered: UncoveredHeartbeats): Duty {
  const { config, pool } = means;
  return {
    name: 'progress_copy',
    everyMs: config.capture.heartbeatMs,
    run: async () => {
      const progress = means.progress();
      await storeProgress(pool, progress);
      const covered = uncovered.covered(progress.beat);
      if (covered !== undefined) await storeCovered(pool, progress, covered);
      await failpoint('PROGRESS_COPIED');
    },
  };
}
