/**
 * Owns what becomes of parked keys when the progress belongs to another history: another cluster, or a state that somebody
 * adopted.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import { inTransaction } from '../connect/postgres/transaction.ts';
import { formatLsn } from '../model/position.ts';
import type { GivenUp, Progress } from '../model/progress.ts';
import { storeProgress } from './progress-copy.ts';

/**
 * Writes the copy of the progress. Ends all parking if the progress belongs to another history than the dead letters. Call
 * it with the slot held, once the progress is in Kafka. If the process dies before, the next session does the same.
 * @throws RelayError POSTGRES_*
 */
export function storeAdopted(pool: pg.Pool, progress: Progress, publication: string): Promise<void> {
  return inTransaction(pool, 'storing what was adopted', (client) => takeOver(client, progress, publication));
}

/** The same, within a transaction. @param publication its identity; null: not to be remembered */
export async function takeOver(
  client: pg.PoolClient,
  progress: Progress,
  publication: string | null,
): Promise<void> {
  const { slot, systemIdentifier, givenUp } = progress;
  const [copy] = await query(client, readCopy, [slot]);
  await storeProgress(client, progress, publication);
  const isElsewhere = copy?.home != null && copy.home !== systemIdentifier;
  // Once for each adoption. What is parked and released later belongs to the new history.
  const isAdoption = givenUp !== undefined && givenUp.id !== copy?.adoption;
  if (isElsewhere || isAdoption) await endParking(client, slot, givenUp);
}

const readCopy = statement<{ home: string | null; adoption: string | null }>(
  'ledger.read_progress_copy',
  'reading the copy of the progress',
  'select system_identifier as home, adoption from outbox.progress where slot = $1 for update',
);

/**
 * Positions of the old history mean nothing in the new one. Parked events become open dead letters, and no key is parked
 * any more. Released events stay released, unless the progress that was given up did not cover them: then they were never
 * published.
 */
async function endParking(client: pg.PoolClient, slot: string, givenUp: GivenUp | undefined): Promise<void> {
  if (givenUp !== undefined)
    await query(client, endUncovered, [slot, formatLsn(givenUp.endLsn), givenUp.systemIdentifier]);
  for (const end of [endParkedLetters, endReleasedLetters, endRequests, endParkedKeys])
    await query(client, end, [slot]);
  await query(client, storeAdoption, [slot, givenUp?.id ?? null]);
}

const ending = 'ending what is parked';

const endUncovered = statement(
  'ledger.end_uncovered_releases',
  ending,
  `update outbox.dead_letter set status = 'open', released_lsn = null
    where slot = $1 and status = 'released' and released_lsn >= $2 and system_identifier = $3`,
);

const endParkedLetters = statement(
  'ledger.end_parked_letters',
  ending,
  `update outbox.dead_letter set status = 'open' where slot = $1 and status = 'parked'`,
);

const endReleasedLetters = statement(
  'ledger.end_released_letters',
  ending,
  `update outbox.dead_letter set released_lsn = null
    where slot = $1 and status = 'released' and released_lsn is not null`,
);

const endRequests = statement(
  'ledger.end_requests',
  ending,
  `update outbox.key_release set outcome = 'limited', processed_at = now() where slot = $1 and outcome is null`,
);

const endParkedKeys = statement(
  'ledger.end_parked_keys',
  ending,
  'delete from outbox.parked_key where slot = $1',
);

const storeAdoption = statement(
  'ledger.store_adoption',
  ending,
  'update outbox.progress set adoption = $2 where slot = $1',
);
