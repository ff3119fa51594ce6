/** Chooses the producer by `publish.producer`: the relay's own, or the public one of kafkajs. */
import type { Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { KafkajsPublisher } from './kafkajs/kafkajs-publisher.ts';
import { LeanPublisher } from './lean/lean-publisher.ts';
import type { Publisher } from './publisher.ts';

/**
 * Fences every predecessor: ends its open transaction, and makes its later ones fail.
 * @throws RelayError KAFKA_*
 */
export function fencePublisher(kafka: Kafka, config: Config): Promise<Publisher> {
  return config.publish.producer === 'lean'
    ? LeanPublisher.fence(kafka, config)
    : KafkajsPublisher.fence(kafka, config);
}
