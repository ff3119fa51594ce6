/** `publish.producer` chooses who publishes: a producer of our own, or the public one of kafkajs. */
import type { Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { KafkajsPublisher } from './kafkajs/kafkajs-publisher.ts';
import { LeanPublisher } from './lean/lean-publisher.ts';
import type { Publisher } from './publisher.ts';

/**
 * Fences every predecessor: the transaction it may have open is ended, and none of its later ones counts.
 * @throws RelayError KAFKA_*
 */
export function fencePublisher(kafka: Kafka, config: Config): Promise<Publisher> {
  return config.publish.producer === 'lean'
    ? LeanPublisher.fence(kafka, config)
    : KafkajsPublisher.fence(kafka, config);
}
