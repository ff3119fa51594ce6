/**
 * Decides what the relay would do with a dead letter now, without publishing anything. Promise: it is the relay's own
 * encoder that decides, with the schemas, topics and settings of this moment.
 */
import type { Config } from '../../config/config.ts';
import { createKafka } from '../../connect/kafka.ts';
import { Encoder } from '../../encode/encoder.ts';
import {
  type EncodedEvent,
  isRefusal,
  isTopic,
  type Refusal,
  type TopicDirectory,
} from '../../encode/record.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { parsePosition } from '../../model/position.ts';
import { createLogger } from '../../observe/log.ts';
import { Topics } from '../../publish/topics.ts';
import { type Letter, lackedBy } from './letter.ts';
import type { LetterContent } from './read.ts';

/** Why the relay would refuse the event; undefined if it would publish it. */
export type Verdict = Pick<Refusal, 'code' | 'message' | 'path'> | undefined;

/** What is judged. `leftOut` as stored: of a letter that is not whole, what was kept is not the event. */
export type Judged = { readonly letter: Letter; readonly content: LetterContent };

/** @throws RelayError REGISTRY_*, KAFKA_* where it cannot be decided now */
export type Judge = (judged: readonly Judged[]) => Promise<Verdict[]>;

/** Kafka's own default of max.message.bytes. */
const newTopic = { partitions: 1, maxMessageBytes: 1_048_588, keptMs: Number.POSITIVE_INFINITY };

/** Runs `work` with one client of the registry and one of Kafka, however many it judges. */
export async function withJudge<Result>(
  config: Config,
  work: (judge: Judge) => Promise<Result>,
): Promise<Result> {
  const kafka = createKafka(config, createLogger('fatal'));
  const admin = kafka.admin();
  try {
    // A check must not create a topic; the relay does, where it may.
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
    return await work(async (judged) => (await encoder.encode(judged.map(eventOf))).map(verdictOf));
  } finally {
    await admin.disconnect();
  }
}

function eventOf({ letter, content }: Judged) {
  const { eventId, leftOut, ...row } = { ...letter, ...content };
  const lacked = leftOut !== null && lackedBy(letter).length > 0 ? { leftOut } : {};
  return {
    position: parsePosition(letter.position)!,
    committedAtMs: Date.now(),
    row: { ...row, id: eventId, ...lacked },
  };
}

function verdictOf(encoded: EncodedEvent): Verdict {
  if (!isRefusal(encoded)) return undefined;
  const { code, message, path } = encoded;
  return { code, message, path };
}
