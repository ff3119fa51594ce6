/** Holds the slot as a relay does, for work of a person that must be alone with it: the same slot, fence and claim. */
import type { Kafka } from 'kafkajs';
import type pg from 'pg';
import { Capture } from '../capture/capture.ts';
import type { Config } from '../config/config.ts';
import { RelayError } from '../errors.ts';
import { readMarks } from '../ledger/progress-copy.ts';
import type { Lsn } from '../model/position.ts';
import { fencePublisher } from '../publish/fence.ts';
import { claimProgress } from './claim.ts';
import { readDatabaseState } from './database-state.ts';
import { ProgressFollower } from './follow-progress.ts';
import { type Held, holdSession, type SessionWork } from './steps.ts';

export type Means = { readonly config: Config; readonly pool: pg.Pool; readonly kafka: Kafka };

/** @see Held */
export type HeldSlot = Held<{ readonly capture: Capture }>;

/**
 * Runs `use` while nobody else can read the slot or write its progress.
 * @param from where the stream starts. Earlier WAL may be what cannot be decoded
 * @throws RelayError SLOT_IN_USE while a relay runs
 */
export function whileHoldingSlot<Result extends object>(
  means: Means,
  use: (held: HeldSlot) => Promise<Result>,
  from: Lsn = 0n,
): Promise<Result> {
  const { config, pool } = means;
  return whileHolding(means, use, {
    takeSlot: async () => ({ capture: await Capture.open(config, undefined, from) }),
    readDatabase: ({ capture }) => readDatabaseState(pool, config.slot.name, capture),
  });
}

/**
 * The same with the slot of somebody else, while ours does not exist or has nobody: whoever streams from ours is fenced.
 * @param takeSlot takes the other slot
 */
export function whileHoldingForeignSlot<Result extends object>(
  means: Means,
  takeSlot: () => Promise<Capture>,
  use: (held: HeldSlot) => Promise<Result>,
): Promise<Result> {
  return whileHolding(means, use, {
    takeSlot: async () => ({ capture: await takeSlot() }),
    // Nothing is known of where our slot is, or will be.
    readDatabase: async ({ capture }) => ({
      ...(await readMarks(means.pool, means.config.slot.name)),
      ...capture.system,
      slotConfirmedLsn: 0n,
    }),
  });
}

async function whileHolding<Result extends object>(
  { config, pool, kafka }: Means,
  use: (held: HeldSlot) => Promise<Result>,
  work: Pick<SessionWork<HeldSlot['slot']>, 'takeSlot' | 'readDatabase'>,
): Promise<Result> {
  const admin = kafka.admin();
  const follower = new ProgressFollower({
    config,
    kafka,
    admin,
    watched: (_, work) => work,
    reachPostgres: () => readMarks(pool, config.slot.name),
  });
  try {
    const tail = await follower.follow();
    const done = await holdSession(
      {
        ...work,
        fence: () => fencePublisher(kafka, config),
        claim: (publisher) => claimProgress(publisher, tail),
      },
      use,
    );
    if (done === undefined) throw new RelayError('INTERNAL', 'the slot was neither taken nor refused');
    return done;
  } finally {
    await Promise.allSettled([follower.stop(), admin.disconnect()]);
  }
}
