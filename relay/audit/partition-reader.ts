/** Reads partitions over one set of connections, without a consumer group. After an error, make a new reader. */
import type { Kafka } from 'kafkajs';
import { kafkaErrorType } from '../connect/kafka.ts';
import { RelayError } from '../errors.ts';
import {
  committedRecords,
  decodeFetch,
  type FetchAnswer,
  type FetchedRecord,
  type FetchOptions,
  fetchRequest,
} from '../publish/wire/fetch.ts';
import { Wire } from '../publish/wire/kafkajs-wire.ts';

export type Fetched = {
  readonly records: readonly FetchedRecord[];
  /** Where to continue; the current offset if there was nothing. */
  readonly nextOffset: bigint;
  /** Kafka removed the records at the current offset. */
  readonly isTrimmed: boolean;
};

export class PartitionReader {
  readonly #kafka: Kafka;
  readonly #topics: readonly string[];
  readonly #noAnswerMs: number;
  #wire: Promise<Wire> | undefined;

  /** @param noAnswerMs how long to wait for a broker's answer */
  constructor(kafka: Kafka, topics: readonly string[], noAnswerMs: number) {
    this.#kafka = kafka;
    this.#topics = topics;
    this.#noAnswerMs = noAnswerMs;
  }

  /** @throws the client's errors */
  async fetch(options: FetchOptions): Promise<Fetched> {
    const { fromOffset } = options;
    try {
      const answer = await this.#ask(options);
      return { ...committedRecords(answer, fromOffset), isTrimmed: false };
    } catch (error) {
      if (kafkaErrorType(error) !== 'OFFSET_OUT_OF_RANGE') throw error;
      return { records: [], nextOffset: await this.#beginningAfter(options), isTrimmed: true };
    }
  }

  /** The offset after everything that was written to a partition, including open transactions. @throws the client's errors */
  async highWatermark(topic: string, partition: number, fromOffset: bigint): Promise<bigint> {
    const options = { topic, partition, maxWaitMs: 0, maxBytes: 1 };
    try {
      return (await this.#ask({ ...options, fromOffset })).highWatermark;
    } catch (error) {
      if (kafkaErrorType(error) !== 'OFFSET_OUT_OF_RANGE') throw error;
      const beginning = await (await this.#open()).earliestOffset(topic, partition);
      return (await this.#ask({ ...options, fromOffset: beginning })).highWatermark;
    }
  }

  async close(): Promise<void> {
    const wire = await this.#wire?.catch(() => undefined);
    await wire?.close();
  }

  async #ask(options: FetchOptions): Promise<FetchAnswer> {
    const wire = await this.#open();
    const timer = setTimeout(() => void wire.close(), options.maxWaitMs + this.#noAnswerMs);
    try {
      return await wire.send(
        await wire.leader(options.topic, options.partition),
        fetchRequest(options),
        decodeFetch,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  #open(): Promise<Wire> {
    this.#wire ??= Wire.open(this.#kafka, this.#topics);
    return this.#wire;
  }

  /** Where the partition begins now. */
  async #beginningAfter({ topic, partition, fromOffset }: FetchOptions): Promise<bigint> {
    const beginning = await (await this.#open()).earliestOffset(topic, partition);
    if (beginning > fromOffset) return beginning;
    throw new RelayError(
      'KAFKA_UNSUITABLE',
      `${topic} partition ${partition} became shorter while it was read: the topic was recreated, or a leader without its last records was elected`,
    );
  }
}
