/**
 * Replaces the payload of an open dead letter by one that the relay would accept. What it replaces stays in the trail.
 */

import type { Config } from '../config.ts';
import { Encoder } from '../encode/encoder.ts';
import type { Rejection, TopicDirectory } from '../encode/record.ts';
import { RegistryClient } from '../encode/registry-client.ts';
import { createKafka } from '../kafka.ts';
import { createLogger } from '../observe/log.ts';
import { formatLsn, parsePosition } from '../position.ts';
import { query } from '../postgres.ts';
import { Topics } from '../publish/topics.ts';
import { eventAt } from './event.ts';
import type { Letter } from './letter.ts';
import { byPosition, type LetterContent } from './read.ts';
import { conditionOf, isBeingReleased } from './selection.ts';
import { inTransaction, takeTurn } from './transaction.ts';

export type Verdict = Pick<Rejection, 'code' | 'message' | 'path'>;

/**
 * Encodes the event as the relay would, and throws the result away.
 * @returns why the relay would refuse it; undefined if it would publish it
 * @throws RelayError REGISTRY_*, KAFKA_* where that cannot be learned now
 */
export async function judge(
  config: Config,
  letter: Letter,
  content: LetterContent,
): Promise<Verdict | undefined> {
  const admin = createKafka(config, createLogger('fatal')).admin();
  try {
    // Looking must not create a topic; the relay will, where it may.
    const existing = new Topics(admin, { ...config.topics, create: false });
    const topics: TopicDirectory = {
      resolve: async (topic) =>
        (await existing.resolve(topic)) ?? (config.topics.create ? newTopic : undefined),
    };
    const atOnce = { ...config, retry: { ...config.retry, unclearAttempts: 0 } };
    const encoder = new Encoder(atOnce, new RegistryClient(config.registry), topics);
    const { eventId, ...row } = { ...letter, ...content };
    const event = eventAt(parsePosition(letter.position)!, { ...row, id: eventId }, Date.now());
    const { rejections } = await encoder.encode(event, 0);
    return rejections[0];
  } finally {
    await admin.disconnect();
  }
}

/** Kafka's own default of max.message.bytes. */
const newTopic = { partitions: 1, maxMessageBytes: 1_048_588, keptMs: Number.POSITIVE_INFINITY };

export type Fix = {
  readonly config: Config;
  readonly letter: Letter;
  /** As the person saw it. */
  readonly before: string | null;
  readonly after: string;
  readonly person: string;
  readonly note: string | null;
};

/**
 * @returns false when it is no longer as the person saw it: closed, being released, or changed by somebody else
 * @throws RelayError POSTGRES_*
 */
export function storeFix({ config, letter, before, after, person, note }: Fix): Promise<boolean> {
  return inTransaction(config, async (client) => {
    await takeTurn(client, config.slot);
    const { text, values } = conditionOf(config.slot, { ...byPosition(letter), statuses: ['open'] });
    const next = values.length + 1;
    const changed = await query(
      client,
      'storing the payload',
      `update outbox.dead_letter as letter set payload = $${next}
       where ${text} and not ${isBeingReleased} and payload is not distinct from $${next + 1}::text returning 1`,
      [...values, after, before],
    );
    if (changed.length === 0) return false;
    const { commitLsn, ordinal } = parsePosition(letter.position)!;
    await query(
      client,
      'writing the trail',
      `insert into outbox.dead_letter_action
         (slot, commit_lsn, ordinal, action, from_status, to_status, person, note, previous_payload)
       values ($1, $2, $3, 'fix', 'open', 'open', $4, $5, $6)`,
      [config.slot, formatLsn(commitLsn), ordinal, person, note, before],
    );
    return true;
  });
}
