/** A topic on brokers whose transactions a test looks at, and producers with one transactional id. */
import { randomUUID } from 'node:crypto';
import { BrokerConnection, fetchRecords } from '../../../../harness/kafka-wire.ts';
import { LeanBatchBuilder } from '../../../../relay/publish/lean/batch-builder.ts';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import {
  type CrashPoints,
  type ProducerOptions,
  TransactionalProducer,
} from '../../../../relay/publish/lean/transactional-producer.ts';
import { Wire } from '../../../../relay/publish/wire/kafkajs-wire.ts';
import { createTopic, kafkaClient, readCommitted } from '../../../support/kafka.ts';
import { recordOf } from '../records.ts';

const pool = new BufferPool();
export const transactionTimeoutMs = 60_000;

export class ProtocolScene implements AsyncDisposable {
  readonly transactionalId = `relay.${randomUUID()}`;
  readonly topic: string;
  readonly #brokers: readonly string[];
  readonly #closing: { close(): Promise<void> }[] = [];

  private constructor(brokers: readonly string[], topic: string) {
    this.#brokers = brokers;
    this.topic = topic;
  }

  static async open(brokers: readonly string[], partitions = 1): Promise<ProtocolScene> {
    return new ProtocolScene(brokers, await createTopic('protocols', partitions, brokers));
  }

  async producer(
    transactionVersion: 'auto' | '1' = 'auto',
    own: Partial<ProducerOptions> = {},
  ): Promise<TransactionalProducer> {
    const producer = await TransactionalProducer.open(await kafkaClient(this.#brokers), {
      ...{ transactionalId: this.transactionalId, transactionTimeoutMs, transactionVersion },
      requestTimeoutMs: 5_000,
      topic: this.topic,
      featureMaxAgeMs: 0,
      ...own,
    });
    this.#closing.push(producer);
    return producer;
  }

  async wire(): Promise<Wire> {
    const wire = await Wire.open(await kafkaClient(this.#brokers), [this.topic]);
    this.#closing.push(wire);
    return wire;
  }

  /** Commits the keys, each to the partition of its place in the list. */
  async commit(producer: TransactionalProducer, keys: string, places?: CrashPoints): Promise<void> {
    const batch = new LeanBatchBuilder(pool);
    for (const [partition, key] of [...keys].entries())
      batch.append(recordOf({ topic: this.topic, partition, key }));
    await producer.commit([...batch.partitions()], places);
    batch.release();
  }

  /** What partition 0 holds, in order: `a@3` is the key a in epoch 3, `commit@4` a marker. */
  async log(): Promise<{ readonly text: string; readonly producerId: bigint; readonly epoch: number }> {
    const connection = await BrokerConnection.open(this.#brokers[0]!, 5_000);
    try {
      const part = { topic: this.topic, partition: 0, offset: 0n };
      const [fetched] = await fetchRecords(connection, [part], 1_000, 5_000);
      // Without what the reader of the test writes.
      const batches = fetched?.batches.filter(({ isTransactional }) => isTransactional) ?? [];
      const text = batches.map(
        ({ marker, records, producerEpoch }) =>
          `${marker ?? records.map(({ key }) => key).join('')}@${producerEpoch}`,
      );
      const last = batches.at(-1);
      return {
        text: text.join(' '),
        producerId: last?.producerId ?? -1n,
        epoch: last?.producerEpoch ?? -1,
      };
    } finally {
      connection.close();
    }
  }

  async keys(): Promise<string> {
    const read = await readCommitted({ topics: [this.topic], brokers: this.#brokers });
    return read.map(({ key }) => key).join('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#closing) await one.close();
  }
}
