/** Holding the slot as a relay does, for work that must be alone with it: the same slot, fence and claim. */
import type { Kafka } from 'kafkajs';
import type pg from 'pg';
import { Capture } from '../capture/capture.ts';
import type { Config } from '../config/config.ts';
import { kafkaError } from '../connect/kafka.ts';
import type { Lsn } from '../model/position.ts';
import { fencePublisher } from '../publish/fence.ts';
import { ensureProgressTopic, ProgressTail } from '../publish/progress-topic.ts';
import type { Publisher } from '../publish/publisher.ts';
import { claimProgress } from './claim.ts';
import { readDatabaseState } from './database-state.ts';
import { compareLineage, type DatabaseState, type Lineage } from './lineage.ts';

export type Means = { readonly config: Config; readonly pool: pg.Pool; readonly kafka: Kafka };

export type Held = {
  readonly capture: Capture;
  readonly publisher: Publisher;
  readonly lineage: Lineage;
  readonly database: DatabaseState & { readonly publication: string | null };
};

/**
 * Runs `work` as the only one who may read the slot and write its progress.
 * @param from what was committed before is not streamed meanwhile: it may be what the slot cannot get past
 * @throws RelayError SLOT_IN_USE while a relay runs
 */
export async function whileHoldingSlot<Result>(
  means: Means,
  work: (held: Held) => Promise<Result>,
  from: Lsn = 0n,
): Promise<Result> {
  const { config, pool, kafka } = means;
  const tail = await followProgress(means);
  let capture: Capture | undefined;
  let publisher: Publisher | undefined;
  try {
    capture = await Capture.open(config, undefined, from);
    publisher = await fencePublisher(kafka, config);
    const claimed = await claimProgress(publisher, tail);
    const database = await readDatabaseState(pool, config.slot, capture);
    return await work({ capture, publisher, database, lineage: compareLineage(claimed, database) });
  } finally {
    await Promise.all([publisher?.close(), capture?.close(), tail.stop()]);
  }
}

async function followProgress({ config, kafka }: Means): Promise<ProgressTail> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    await ensureProgressTopic(admin, config.kafka.progressTopic);
  } catch (error) {
    throw kafkaError(error, 'connecting to Kafka');
  } finally {
    await admin.disconnect();
  }
  const tail = new ProgressTail(kafka, { topic: config.kafka.progressTopic, slot: config.slot });
  await tail.start();
  return tail;
}
