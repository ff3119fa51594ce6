/**
 * The consumer of the demo: a `read_committed` reader and the decoder of @kafkajs/confluent-schema-registry, none of the
 * relay's code. It hands every record to the oracle, each offset once.
 */
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import avro from 'avsc';
import type { Kafka, KafkaMessage } from 'kafkajs';
import { TopicReader } from '../harness/topic-reader.ts';
import type { Receipt } from './oracle.ts';
import { contentOf } from './payloads.ts';

export type FollowerOptions = {
  readonly kafka: Kafka;
  readonly registryUrl: string;
  readonly topics: readonly string[];
  readonly onReceipt: (receipt: Receipt, type: string) => void;
  /** Told of each value too, for other ways to read it. */
  readonly onValue: (type: string, value: Buffer | null) => Promise<void>;
};

export class Follower {
  readonly reader: TopicReader;
  readonly #options: FollowerOptions;
  readonly #registry: SchemaRegistry;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.reader = new TopicReader({
      kafka: options.kafka,
      topics: options.topics,
      onRecord: (topic, partition, message) => this.#receive(topic, partition, message),
    });
    this.#registry = new SchemaRegistry(
      { host: options.registryUrl },
      { [SchemaType.AVRO]: { typeHook: longAsBigint } },
    );
  }

  async #receive(topic: string, partition: number, message: KafkaMessage): Promise<void> {
    const atMs = performance.now();
    const type = header(message, 'type') ?? '';
    const id = header(message, 'id') ?? `no id, ${topic}/${partition} ${message.offset}`;
    const content = await this.#decode(type, message.value);
    await this.#options.onValue(type, message.value);
    this.#options.onReceipt({ id, topic, key: message.key?.toString() ?? '', content, atMs }, type);
  }

  async #decode(type: string, value: Buffer | null): Promise<string | undefined> {
    if (value === null) return undefined;
    try {
      return contentOf(type, await this.#registry.decode(value));
    } catch {
      return undefined;
    }
  }
}

function header({ headers }: KafkaMessage, name: string): string | undefined {
  const value = headers?.[name];
  return Array.isArray(value) ? undefined : value?.toString();
}

/** avsc reads a `long` as a double and refuses those beyond 2^53, unless it is given a type of one's own. */
const bigintLong = avro.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(value);
    return buffer;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
});

function longAsBigint(schema: unknown): avro.Type | undefined {
  const isLong =
    schema === 'long' ||
    (typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'long');
  return isLong ? bigintLong : undefined;
}
