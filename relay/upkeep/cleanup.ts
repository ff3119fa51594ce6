/** Removes what is published from the outbox table as the section `cleanup` says, and tells how large the table is. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { readOldestRow, readPieces } from '../ledger/cleanup.ts';
import { readLastRemoval } from '../ledger/removals.ts';
import type { Progress } from '../model/progress.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Duty } from './duty.ts';
import { removePublished, rulesOf } from './remove-published.ts';

/** Retention is of hours or days. Not more often than some heartbeats, which say what is published. */
const cleanupIntervalMs = 60_000;
const cleanupHeartbeats = 6;

/** Share of the time that it may keep Postgres busy for. */
const cleanupShareMax = 0.1;

type Means = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly observer: RelayObserver;
  readonly progress: () => Progress;
};

export function cleanupDuty({ config, pool, observer, progress }: Means): Duty {
  return {
    name: 'cleanup',
    everyMs: Math.min(cleanupIntervalMs, config.capture.heartbeatMs * cleanupHeartbeats),
    shareMax: cleanupShareMax,
    run: async (signal) => {
      if (rulesOf(config) !== undefined) {
        const { beat } = progress();
        const report = await removePublished({ config, pool, beat, isDryRun: false, isGentle: true, signal });
        observer.cleanedUp?.({
          partitions: report.removedPartitions,
          rows: report.removedRows,
          bytes: report.removedBytes,
          unused: report.pieces.filter(({ isUnused, reason }) => isUnused && reason === 'retention').length,
          kept: countBy(report.pieces.map(({ reason }) => reason).filter((reason) => reason !== null)),
        });
      }
      if (observer.outboxSurveyed === undefined || signal.aborted) return;
      const pieces = await readPieces(pool, config);
      observer.outboxSurveyed({
        partitions: pieces.length,
        rows: pieces.reduce((sum, { estimatedRows }) => sum + estimatedRows, 0),
        bytes: pieces.reduce((sum, { bytes }) => sum + bytes, 0),
        oldestRowMs: await readOldestRow(pool, config),
        lastRemovalMs: await readLastRemoval(pool),
      });
    },
  };
}

function countBy<Name extends string>(names: readonly Name[]): Partial<Record<Name, number>> {
  const counts: Partial<Record<Name, number>> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
