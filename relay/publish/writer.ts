/**
 * Who writes: a transactional id, and the place of its progress. Kafka fences by transactional id, so all processes that do
 * the same work use the same one. A replay has an id and a topic of its own: it neither fences the relay, nor does its open
 * transaction keep a relay from reading its claim.
 */
import type { Config } from '../config/config.ts';
import { replayTopicOf } from '../config/topic-patterns.ts';
import { withoutNote } from './lean/marker-fate.ts';
import { transactionalIdOf } from './transactional-id.ts';

export type Writer = {
  readonly transactionalId: string;
  readonly transactionTimeoutMs: number;
  /** Where the progress of this work is. */
  readonly progressTopic: string;
  /** Key of its progress there. */
  readonly key: string;
};

type Settings = Pick<Config, 'kafka' | 'slot'>;

/** The relay, and every command that publishes in its place. */
export function relayWriter(config: Settings): Writer {
  const { progressTopic, transactionTimeoutMs } = config.kafka;
  return {
    transactionalId: transactionalIdOf(config),
    transactionTimeoutMs: withoutNote(transactionTimeoutMs),
    progressTopic,
    key: config.slot.name,
  };
}

/**
 * While a transaction is open, consumers of its topics see nothing that comes after it. Nobody takes over from a replay that
 * died, so its transaction stays open until this timeout.
 */
const replayTimeoutMs = 15_000;

export function replayWriter(config: Settings, replayId: string): Writer {
  const { progressTopic, transactionTimeoutMs } = config.kafka;
  return {
    transactionalId: `${transactionalIdOf(config)}.replay.${replayId}`,
    transactionTimeoutMs: withoutNote(Math.min(transactionTimeoutMs, replayTimeoutMs)),
    progressTopic: replayTopicOf(progressTopic),
    key: `${config.slot.name}/replay/${replayId}`,
  };
}
