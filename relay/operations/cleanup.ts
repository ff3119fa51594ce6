/** Removes what is published from the outbox table, once; or tells what would go, and why the rest stays. */
import { latestProgress } from '../audit/await-progress.ts';
import { readSystemIdentifier } from '../capture/server-identity.ts';
import type { Config } from '../config/config.ts';
import { createKafka } from '../connect/kafka.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { assertMayRemove } from '../ledger/cleanup.ts';
import { createLogger } from '../observe/log.ts';
import { type CleanupReport, type CleanupStep, removePublished } from '../upkeep/remove-published.ts';
import type { Actor } from './actor.ts';
import { recordAction } from './trail.ts';
import { withPool } from './with-pool.ts';

export { type KeepReason, keepReasons } from '../model/keep-reasons.ts';
export type { CleanupReport, CleanupStep, PieceReport } from '../upkeep/remove-published.ts';

export type CleanupOptions = {
  readonly config: Config;
  /** null: only show what would go. */
  readonly actor: Actor | null;
  readonly signal: AbortSignal;
  readonly onStep: (step: CleanupStep) => void;
};

/**
 * The progress in Kafka is read first: if Kafka has lost what was published, the table may be all that is left of it.
 * @throws RelayError POSTGRES_*, KAFKA_*, PROGRESS_UNREADABLE; what was removed before stays removed
 */
export async function cleanUp({ config, actor, ...rest }: CleanupOptions): Promise<CleanupReport> {
  return withPool(config, async (pool) => {
    if (actor !== null) await assertMayRemove(pool);
    const beat = await readBeat(config, await readSystemIdentifier(pool));
    if (actor !== null) {
      const { retention, unproven, requireVerified, archive } = config.cleanup;
      const details = { retention, unproven, requireVerified, archive };
      await recordAction(pool, { slot: config.slot.name, what: 'cleanup', target: null, details }, actor);
    }
    const report = await removePublished({
      config,
      pool,
      beat,
      isDryRun: actor === null,
      isGentle: false,
      ...rest,
    });
    // Slots that were hidden would have held rows back, or been the reason why nothing goes.
    await assertRowsShown(pool, config, ['outbox.progress', 'outbox.audit']);
    return report;
  });
}

/** 0 where there is no progress. */
async function readBeat(config: Config, systemIdentifier: string): Promise<number> {
  const kafka = createKafka(config, createLogger('fatal'));
  const admin = kafka.admin();
  try {
    const progress = await latestProgress({ config, kafka, admin }, systemIdentifier);
    return progress?.beat ?? 0;
  } finally {
    await admin.disconnect().catch(() => {});
  }
}
