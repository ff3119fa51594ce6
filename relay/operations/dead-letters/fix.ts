/**
 * Replaces the payload of an open dead letter by one that the relay would accept. What it replaces stays in the trail.
 */

import type { Config } from '../../config/config.ts';
import { createKafka } from '../../connect/kafka.ts';
import { query } from '../../connect/postgres/statement.ts';
import { Encoder } from '../../encode/encoder.ts';
import { isRefusal, isTopic, type Refusal, type TopicDirectory } from '../../encode/record.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { formatLsn, parsePosition } from '../../model/position.ts';
import { createLogger } from '../../observe/log.ts';
import { Topics } from '../../publish/topics.ts';
import type { Letter } from './letter.ts';
import { byPosition, type LetterContent } from './read.ts';
import { conditionOf, isBeingReleased } from './selection.ts';
import { inTransaction, takeTurn } from './transaction.ts';

export type Verdict = Pick<Refusal, 'code' | 'message' | 'path'>;

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
  const kafka = createKafka(config, createLogger('fatal'));
  const admin = kafka.admin();
  try {
    // Looking must not create a topic; the relay will, where it may.
    const existing = new Topics(kafka, admin, { ...config, topics: { ...config.topics, create: false } });
    const topics: TopicDirectory = {
      resolve: async (topic) => {
        const found = await existing.resolve(topic);
        const isToBeMade = !isTopic(found) && found.code === 'TOPIC_MISSING' && config.topics.create;
        return isToBeMade ? newTopic : found;
      },
    };
    const atOnce = { ...config, retry: { ...config.retry, unclearAttempts: 0 } };
    const encoder = new Encoder(atOnce, new RegistryClient(config.registry), topics);
    const { eventId, leftOut: _, ...row } = { ...letter, ...content };
    const position = parsePosition(letter.position)!;
    const event = { position, committedAtMs: Date.now(), row: { ...row, id: eventId } };
    return (await encoder.encode([event])).find(isRefusal);
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
    const found = await query(
      client,
      'looking for the dead letter',
      `select from outbox.dead_letter as letter where ${text} and not ${isBeingReleased}`,
      values,
    );
    if (found.length === 0) return false;
    const { commitLsn, ordinal } = parsePosition(letter.position)!;
    const [row] = await query<{ fixed: boolean }>(
      client,
      'storing the payload',
      'select outbox.fix_dead_letter($1, $2, $3, $4, $5, $6, $7) as fixed',
      [config.slot, formatLsn(commitLsn), ordinal, before, after, person, note],
    );
    return row?.fixed === true;
  });
}
