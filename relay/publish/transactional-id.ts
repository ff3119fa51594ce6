/** The transactional ids of a slot. Kafka fences by them, so every writer of a slot must use the same one. */
import type { Config } from '../config/config.ts';

/** Of the relay, and of every command that publishes in its place. */
export function transactionalIdOf({ kafka, slot }: Pick<Config, 'kafka' | 'slot'>): string {
  return `${kafka.transactionalIdPrefix}.${slot}`;
}

/** For questions to the broker: fences no relay. */
export function checkIdOf(config: Pick<Config, 'kafka' | 'slot'>): string {
  return `${transactionalIdOf(config)}.check`;
}
