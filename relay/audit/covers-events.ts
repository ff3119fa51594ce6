/**
 * Owns when `verify` need not wait for the progress. On an idle system the WAL goes on behind the last event, and the
 * progress follows with the next heartbeat only. But what the wait is for may be seen at once. Promise: the answer is yes
 * only if each event of the snapshot is in Kafka or a dead letter, below a progress of this database: then nothing of the
 * snapshot is still to be published, wherever the WAL ends.
 */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { parseLsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import type { Comparer } from './compare.ts';
import { readDeadLetters, type TableSnapshot } from './read-table.ts';

/** With more events to look for among the dead letters, waiting is cheaper. */
const absentMost = 10_000;

export type Compared = {
  readonly client: pg.Client;
  readonly config: Config;
  readonly snapshot: TableSnapshot;
  /** Has the events, and the records up to ends that were taken after the progress was read. */
  readonly comparer: Pick<Comparer, 'absentIds' | 'highestLsn'>;
};

/** @throws RelayError POSTGRES_* */
export async function coversEvents(
  { client, config, snapshot, comparer }: Compared,
  progress: Progress | null,
): Promise<boolean> {
  if (progress === null || progress.systemIdentifier !== snapshot.systemIdentifier) return false;
  if (comparer.highestLsn >= progress.endLsn) return false;
  const absent = new Set<string>();
  for (const id of comparer.absentIds()) {
    if (absent.size === absentMost) return false;
    absent.add(id);
  }
  if (absent.size === 0) return true;
  await readDeadLetters(client, config, snapshot, (letters) => {
    for (const { id, accounts, commitLsn } of letters)
      if (accounts && commitLsn !== null && parseLsn(commitLsn) < progress.endLsn) absent.delete(id);
  });
  return absent.size === 0;
}
