/**
 * The transactional ids of a slot. Kafka fences by transactional id, so all writers of a slot must use the same one.
 */
import type { Config } from '../config/config.ts';

/** The id of the relay, and of every command that publishes in its place. */
export function transactionalIdOf({ kafka, slot: { name } }: Pick<Config, 'kafka' | 'slot'>): string {
  return `${kafka.transactionalIdPrefix}.${name}`;
}

/** An id for probing the broker. It fences no relay. */
export function checkIdOf(config: Pick<Config, 'kafka' | 'slot'>): string {
  return `${transactionalIdOf(config)}.check`;
}
