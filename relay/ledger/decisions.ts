/** Owns that everything a batch decides about dead letters is stored before its Kafka commit: all of it, or nothing. */
import type pg from 'pg';
import type { Refusal } from '../encode/record.ts';
import type { ParkedKey } from '../refusals/parked-keys.ts';
import { storeDeadLetters, withoutLargeTexts } from './dead-letters.ts';
import { type Release, storeParkedKeys, storeRelease } from './key-releases.ts';
import { inSession, type Session } from './session.ts';
import { untilOnStandbys } from './standbys.ts';

export type Decisions = {
  readonly deadLetters: readonly Refusal[];
  readonly parked: readonly ParkedKey[];
  readonly releases: readonly Release[];
};

/** Waits for the synchronous standbys too. @throws RelayError PRODUCER_FENCED if another session has begun; POSTGRES_* */
export async function storeDecisions(pool: pg.Pool, session: Session, decisions: Decisions): Promise<void> {
  const { deadLetters, releases } = decisions;
  if (deadLetters.length === 0 && releases.length === 0) return;
  try {
    await store(pool, session, decisions);
  } catch (error) {
    const shorter = withoutLargeTexts(deadLetters, error);
    if (shorter === undefined) throw error;
    await store(pool, session, { ...decisions, deadLetters: shorter });
  }
}

async function store(pool: pg.Pool, session: Session, decisions: Decisions): Promise<void> {
  const { deadLetters, parked, releases } = decisions;
  await inSession(pool, session, 'storing dead letters', async (client) => {
    // In the order of the stream: a release comes first in its batch, and the batch may park the key again.
    for (const release of releases) await storeRelease(client, session.slot, release);
    await storeDeadLetters(client, session.slot, deadLetters);
    await storeParkedKeys(client, session.slot, parked);
  });
  await untilOnStandbys(pool);
}
