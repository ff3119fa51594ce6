/**
 * Owns whose a record with the headers of a relay is: the audit's one decision, for those that are found. Relays of other
 * databases may write the same ids to the same topic, and then their records stand in for no event of this outbox.
 */
import type { Admin, Kafka } from 'kafkajs';
import type pg from 'pg';
import { awaitProgress, findProducers } from '../../audit/await-progress.ts';
import { Producers } from '../../audit/producers.ts';
import { readSiblings } from '../../audit/siblings.ts';
import { readSystemIdentifier } from '../../capture/server-identity.ts';
import type { Config } from '../../config/config.ts';

/** What a progress is compared with, to tell whose it is. */
export type Identity = { readonly systemIdentifier: string; readonly siblings: ReadonlySet<string> };

export type Publishers = Pick<Producers, 'isOfOthers' | 'isOfThisSlot'>;

/** Of a progress topic. A relay writes to its own at each heartbeat, so that even one that is idle is among these. */
const tailOffsets = 20_000n;
const stallMs = 5_000;

/** @throws RelayError POSTGRES_* */
export async function readIdentity(client: pg.ClientBase, slot: string): Promise<Identity> {
  return {
    systemIdentifier: await readSystemIdentifier(client),
    siblings: await readSiblings(client, slot),
  };
}

/** @throws RelayError KAFKA_*, PROGRESS_UNREADABLE */
export async function readPublishers(
  { config, kafka, admin }: { readonly config: Config; readonly kafka: Kafka; readonly admin: Admin },
  identity: Identity,
): Promise<Publishers> {
  const producers = new Producers(0);
  const onProducer: Parameters<typeof findProducers>[1] = (producerId, writer) =>
    producers.addProgress(producerId, writer);
  const of = {
    kafka,
    admin,
    stallMs,
    topic: config.kafka.progressTopic,
    slot: config.slot.name,
    tailOffsets,
    ...identity,
  };
  // An LSN has 64 bits: no progress reaches this, so the topic is read to its present end.
  await awaitProgress({ ...of, reach: 1n << 64n, waitMs: 0, onProducer });
  await findProducers(of, onProducer);
  return producers;
}

/** Where Postgres does not say which database this is, the headers alone tell; what could not be read is said. */
export const unknownPublishers: Publishers = { isOfOthers: () => false, isOfThisSlot: () => undefined };
