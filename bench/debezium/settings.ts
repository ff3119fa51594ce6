/**
 * Every setting of the Debezium that is measured, each with its reason; the benchmark page prints this list. Debezium's
 * documentation has no guide to speed, so what is tuned follows what it says of each property, and what Kafka's says of
 * the producer.
 */
import { debeziumTopicOf } from '../topics.ts';

export type Setting = {
  readonly name: string;
  readonly value: string | number | boolean;
  readonly why: string;
};

export const debeziumVariants = ['debezium', 'debezium-avro', 'debezium-default'] as const;
export type DebeziumVariant = (typeof debeziumVariants)[number];

/** What the workload of a measurement asks for, beside the variant. */
export type Demand = { readonly compression?: string; readonly rowBytes?: number };

const maxQueueSize = 32_768;
const heapMb = 1_024;

/** What every variant needs to publish this table exactly once: none is chosen for its speed. */
export function neededSettings(variant: DebeziumVariant): Setting[] {
  return [
    setting(
      'exactly.once.support',
      'required',
      'the connector refuses to start without exactly-once delivery',
    ),
    setting('transaction.boundary', 'poll', 'exactly-once demands it: a poll is one Kafka transaction'),
    setting('plugin.name', 'pgoutput', 'the plug-in that Postgres has without an installation'),
    setting('publication.autocreate.mode', 'disabled', 'the publication exists'),
    setting(
      'snapshot.mode',
      'no_data',
      'the slot is made before the rows, so there is nothing to take a snapshot of',
    ),
    setting('table.include.list', 'outbox.event', 'the table to read'),
    setting('transforms', 'outbox', 'the outbox event router'),
    setting('transforms.outbox.type', 'io.debezium.transforms.outbox.EventRouter', 'the same'),
    setting(
      'transforms.outbox.route.topic.replacement',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: Debezium's own placeholder
      debeziumTopicOf('${routedByValue}', variant),
      'a topic of its own, since every contender publishes the same rows',
    ),
    setting('transforms.outbox.table.fields.additional.placement', 'type:header', 'as the relay sends it'),
  ];
}

/** What is faster than the default, or cheaper, and why. */
export function tunedSettings({ compression = 'none', rowBytes = 0 }: Demand = {}): Setting[] {
  return [
    setting(
      'max.batch.size',
      8_192,
      'default 2048. A batch is a Kafka transaction, whose cost its events share; larger ones were not faster here',
    ),
    setting(
      'max.queue.size',
      maxQueueSize,
      'default 8192. Larger than the batch, as its documentation demands: the next batches are read meanwhile',
    ),
    setting(
      'poll.interval.ms',
      2,
      'default 500: the longest wait for a batch to fill. 10 ms halved the CPU of a small load and doubled its latency',
    ),
    setting(
      'column.include.list',
      'outbox.event.(id|aggregatetype|aggregateid|type|payload)',
      'nothing is decoded that the router does not use',
    ),
    setting('tombstones.on.delete', false, 'default true. The table is insert-only'),
    setting(
      'producer.override.batch.size',
      131_072,
      'default 16384. Fewer and larger requests where a partition has more to send',
    ),
    setting(
      'producer.override.linger.ms',
      0,
      'default 5 since Kafka 4.0. Connect flushes each transaction, so that a wait only delays it',
    ),
    setting('producer.override.compression.type', compression, 'the same for every contender'),
    ...(rowBytes * maxQueueSize > (heapMb * 2 ** 20) / 4
      ? [
          setting(
            'max.queue.size.in.bytes',
            64 * 2 ** 20,
            'default 0, without a limit. Only where so many rows in the queue would take more than a quarter of the heap',
          ),
        ]
      : []),
  ];
}

/** How a variant writes the value: the payload's text as it is, or Avro under a schema that Debezium infers of it. */
export function valueSettings(variant: DebeziumVariant, registryUrl: string): Setting[] {
  if (variant !== 'debezium-avro')
    return [
      setting('transforms.outbox.table.expand.json.payload', false, 'the text is passed through as it is'),
    ];
  const converter = (name: string, value: string | boolean, why: string) =>
    setting(`value.converter${name}`, value, why);
  const registry = (name: string, value: string | boolean, why: string) =>
    converter(`.apicurio.registry.${name}`, value, why);
  return [
    setting(
      'transforms.outbox.table.expand.json.payload',
      true,
      'the router parses the JSON and infers its schema, so that the converter can write Avro',
    ),
    converter('', 'io.apicurio.registry.utils.converter.AvroConverter', 'as its documentation says for Avro'),
    registry('url', `${new URL(registryUrl).origin}/apis/registry/v2`, 'the registry of the relay'),
    registry('auto-register', true, 'the schema is inferred, so it cannot be registered before'),
    registry('find-latest', true, 'as its documentation says, beside the line above'),
    registry('as-confluent', true, 'the same framing as the relay: a zero byte and an id of four bytes'),
    registry('headers.enabled', false, 'the same: the id is in the value'),
    registry('use-id', 'contentId', 'the same'),
    converter('.schemas.enable', false, 'the same'),
  ];
}

/** Of the worker: a JVM of its own for each variant, so that none runs on code that was compiled for another. */
export function workerSettings(variant: DebeziumVariant): { jvm: readonly string[]; why: string } {
  if (variant === 'debezium-default')
    return { jvm: ['-Xms256m', '-Xmx2g'], why: "the heap of Kafka's own start script" };
  return { jvm: [`-Xms${heapMb}m`, `-Xmx${heapMb}m`], why: 'a heap that need not grow' };
}

export function connectorSettings(variant: DebeziumVariant, registryUrl: string, demand: Demand): Setting[] {
  return [
    ...neededSettings(variant),
    ...valueSettings(variant, registryUrl),
    ...(variant === 'debezium-default' ? [] : tunedSettings(demand)),
  ];
}

function setting(name: string, value: Setting['value'], why: string): Setting {
  return { name, value, why };
}
