/** Lists the producers, from which `publish.producer` selects: the relay's own, or kafkajs's public one. */
import type { Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { KafkajsPublisher } from './kafkajs/kafkajs-publisher.ts';
import { LeanPublisher } from './lean/lean-publisher.ts';
import type { Publisher } from './publisher.ts';
import { relayWriter, type Writer } from './writer.ts';

/**
 * Fences every predecessor: Kafka aborts its open transaction, if any, and refuses its later ones.
 * @throws RelayError KAFKA_*
 */
export function fencePublisher(
  kafka: Kafka,
  config: Config,
  writer: Writer = relayWriter(config),
): Promise<Publisher> {
  return config.publish.producer === 'lean'
    ? LeanPublisher.fence(kafka, config, writer)
    : KafkajsPublisher.fence(kafka, config, writer);
}
