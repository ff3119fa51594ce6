/** Holds the slot as a relay does, for work of a person that must be alone with it: the same slot, fence and claim. */
import type { Kafka } from 'kafkajs';
import type pg from 'pg';
import { Capture } from '../capture/capture.ts';
import type { Config } from '../config/config.ts';
import { RelayError } from '../errors.ts';
import type { Lsn } from '../model/position.ts';
import { fencePublisher } from '../publish/fence.ts';
import { claimProgress } from './claim.ts';
import { readDatabaseState } from './database-state.ts';
import { ProgressFollower } from './follow-progress.ts';
import { type Held, holdSession } from './steps.ts';

export type Means = { readonly config: Config; readonly pool: pg.Pool; readonly kafka: Kafka };

/** @see Held */
export type HeldSlot = Held<{ readonly capture: Capture }>;

/**
 * Runs `use` while nobody else can read the slot or write its progress.
 * @param from where the stream starts. Earlier WAL may be what cannot be decoded
 * @throws RelayError SLOT_IN_USE while a relay runs
 */
export async function whileHoldingSlot<Result extends object>(
  { config, pool, kafka }: Means,
  use: (held: HeldSlot) => Promise<Result>,
  from: Lsn = 0n,
): Promise<Result> {
  const admin = kafka.admin();
  const follower = new ProgressFollower({ config, kafka, admin, watched: (_, work) => work });
  try {
    const tail = await follower.follow();
    const done = await holdSession(
      {
        takeSlot: async () => ({ capture: await Capture.open(config, undefined, from) }),
        fence: () => fencePublisher(kafka, config),
        claim: (publisher) => claimProgress(publisher, tail),
        readDatabase: ({ capture }) => readDatabaseState(pool, config.slot.name, capture),
      },
      use,
    );
    if (done === undefined) throw new RelayError('INTERNAL', 'the slot was neither taken nor refused');
    return done;
  } finally {
    await Promise.allSettled([follower.stop(), admin.disconnect()]);
  }
}
