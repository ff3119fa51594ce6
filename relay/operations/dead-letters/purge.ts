/** Removes dead letters that were closed long ago, with their trails; open and parked ones always stay. */
import type { Config } from '../../config/config.ts';
import { countRemovable, purgeClosed } from '../../ledger/purge.ts';
import type { Actor } from '../actor.ts';
import { recordAction } from '../trail.ts';
import { withPool } from '../with-pool.ts';
import type { LetterStatus } from './letter.ts';
import { assertLettersShown } from './transaction.ts';

/** Statuses that can be purged. */
export const closedStatuses = ['resubmitted', 'discarded', 'released'] as const;

export type Purging = {
  readonly config: Config;
  /** Closed longer ago than this; Postgres keeps what was closed less than a day ago. */
  readonly olderThanSeconds: number | undefined;
  /** Keep so many, those that were closed last. */
  readonly keep: number | undefined;
  readonly statuses: readonly LetterStatus[];
  readonly actor: Actor;
  readonly onProgress: (purged: number) => void;
};

/** How many a purge would remove now; changes nothing. @throws RelayError POSTGRES_* */
export function previewPurge({
  config,
  ...retention
}: Pick<Purging, 'config' | 'olderThanSeconds' | 'keep' | 'statuses'>): Promise<{
  readonly wouldPurge: number;
}> {
  return withPool(config, async (pool) => {
    const wouldPurge = await countRemovable(pool, config.slot.name, retention);
    await assertLettersShown(pool, config);
    return { wouldPurge };
  });
}

/** @throws RelayError POSTGRES_*; what was removed before stays removed */
export async function purgeDeadLetters({
  config,
  onProgress,
  actor,
  ...retention
}: Purging): Promise<{ readonly purged: number }> {
  const mayGoOn = (purged: number) => {
    onProgress(purged);
    return true;
  };
  const action = { slot: config.slot.name, what: 'purge', target: null, details: retention } as const;
  const { purged } = await withPool(config, async (pool) => {
    await recordAction(pool, action, actor);
    return purgeClosed(pool, config.slot.name, { by: 'person', ...retention, mayGoOn });
  });
  return { purged };
}
