/**
 * A consumer like any other: `read_committed`, a group of its own, kafkajs and the decoder of
 * @kafkajs/confluent-schema-registry, none of the relay's code. Hands every record to the books, each offset once.
 */
import { randomUUID } from 'node:crypto';
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import avro from 'avsc';
import type { Batch, Consumer, Kafka, KafkaMessage } from 'kafkajs';
import type { Receipt } from './ledger.ts';
import { contentOf } from './payloads.ts';

/** A partition and the offset after its last record. */
export type PartitionEnd = { readonly topic: string; readonly partition: number; readonly end: bigint };

export type FollowerOptions = {
  readonly kafka: Kafka;
  readonly registryUrl: string;
  readonly topics: readonly string[];
  readonly onReceipt: (receipt: Receipt, type: string) => void;
  /** Told of each value too, for other ways to read it. */
  readonly onValue: (type: string, value: Buffer | null) => Promise<void>;
};

/** How long a fetch waits when there is nothing; the broker answers at once when there is something. */
const maxWaitMs = 200;

export class Follower {
  readonly #options: FollowerOptions;
  readonly #consumer: Consumer;
  readonly #registry: SchemaRegistry;
  /** By partition, the first offset that is not handed over, and not passed. */
  readonly #next = new Map<string, bigint>();
  readonly #passed = new Map<string, bigint>();
  readonly #failure = Promise.withResolvers<never>();
  #onProgress: () => void = () => {};

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#consumer = options.kafka.consumer({
      groupId: `demo-${randomUUID()}`,
      readUncommitted: false,
      maxWaitTimeInMs: maxWaitMs,
    });
    this.#registry = new SchemaRegistry(
      { host: options.registryUrl },
      { [SchemaType.AVRO]: { typeHook: longAsBigint } },
    );
    this.#failure.promise.catch(() => {}); // met by whoever asks for `failed`
  }

  /** Rejects when the consumer cannot go on. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  /** Resolves when it reads from the beginning of the topics, which must exist. */
  async start(): Promise<void> {
    const consumer = this.#consumer;
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) this.#failure.reject(payload.error);
    });
    // Emitted for every batch, also one that holds only markers and aborted records.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      const name = `${payload.topic}/${payload.partition}`;
      const passed = BigInt(payload.lastOffset) + 1n;
      if (passed > (this.#passed.get(name) ?? 0n)) this.#passed.set(name, passed);
      this.#onProgress();
    });
    const joined = new Promise<void>((resolve) => {
      consumer.on(consumer.events.GROUP_JOIN, () => resolve());
    });
    await consumer.connect();
    await consumer.subscribe({ topics: [...this.#options.topics], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch: ({ batch }) => this.#receive(batch) });
    await Promise.race([joined, this.failed]);
  }

  /** Resolves when everything before the ends has been handed over. @throws when nothing moves for `stallMs` */
  async readTo(ends: readonly PartitionEnd[], stallMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const isAt = ({ topic, partition, end }: PartitionEnd) =>
      end === 0n || (this.#passed.get(`${topic}/${partition}`) ?? 0n) >= end;
    const timer = setTimeout(
      () => reject(new Error(`the consumer did not reach the end of the topics within ${stallMs} ms`)),
      stallMs,
    );
    this.#onProgress = () => {
      timer.refresh();
      if (ends.every(isAt)) resolve();
    };
    this.#onProgress();
    try {
      await Promise.race([promise, this.failed]);
    } finally {
      clearTimeout(timer);
      this.#onProgress = () => {};
    }
  }

  async stop(): Promise<void> {
    await this.#consumer.disconnect();
  }

  async #receive({ topic, partition, messages }: Batch): Promise<void> {
    const name = `${topic}/${partition}`;
    for (const message of messages) {
      const offset = BigInt(message.offset);
      // A consumer that has to join again begins again; one offset is one record, however often it is fetched.
      if (offset < (this.#next.get(name) ?? 0n)) continue;
      const atMs = performance.now();
      const type = header(message, 'type') ?? '';
      const id = header(message, 'id') ?? `no id, ${name} ${offset}`;
      const content = await this.#decode(type, message.value);
      await this.#options.onValue(type, message.value);
      this.#next.set(name, offset + 1n);
      this.#options.onReceipt({ id, topic, key: message.key?.toString() ?? '', content, atMs }, type);
    }
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
