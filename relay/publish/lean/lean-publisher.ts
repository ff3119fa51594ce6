/**
 * Publishes batches, each in one Kafka transaction that also holds the progress, through the relay's own producer. It
 * writes record batches into reused buffers and checks every sequence number and error code.
 */
import { randomUUID } from 'node:crypto';
import type { Kafka } from 'kafkajs';
import type { Config } from '../../config/config.ts';
import { type Compressor, openCompressor } from '../../connect/compression/compressors.ts';
import { type Progress, parseProgress, serializeProgress } from '../../model/progress.ts';
import { failpoint } from '../../observe/failpoints.ts';
import { type Claim, claimKey, type ProgressTail } from '../progress-topic.ts';
import type { Publisher } from '../publisher.ts';
import { relayWriter, type Writer } from '../writer.ts';
import { LeanBatchBuilder, type PartitionBatches } from './batch-builder.ts';
import { BufferPool } from './buffer-pool.ts';
import { wasCommitted } from './claimed-fate.ts';
import { RecordBatch, recordBound } from './record-batch.ts';
import { type CrashPoints, TransactionalProducer } from './transactional-producer.ts';

export class LeanPublisher implements Publisher {
  readonly #writer: Writer;
  readonly #requestTimeoutMs: number;
  readonly #producer: TransactionalProducer;
  readonly #compressor: Compressor | undefined;
  readonly #pool = new BufferPool();
  readonly #known: Known;

  private constructor(
    config: Config,
    writer: Writer,
    producer: TransactionalProducer,
    compressor: Compressor | undefined,
    known: Known,
  ) {
    this.#known = known;
    this.#writer = writer;
    this.#requestTimeoutMs = config.kafka.requestTimeoutMs;
    this.#producer = producer;
    this.#compressor = compressor;
  }

  /**
   * Fences every predecessor: Kafka aborts its open transaction, if any, and refuses its later ones.
   * @throws RelayError KAFKA_*; CONFIG_INVALID if this machine cannot write the codec
   */
  static async fence(kafka: Kafka, config: Config, writer = relayWriter(config)): Promise<LeanPublisher> {
    const compressor = await openCompressor(config.publish.compression);
    const known: Known = { claims: [] };
    const producer = await TransactionalProducer.open(kafka, {
      transactionalId: writer.transactionalId,
      transactionTimeoutMs: writer.transactionTimeoutMs,
      requestTimeoutMs: config.kafka.requestTimeoutMs,
      topic: writer.progressTopic,
      transactionVersion: config.publish.transactionVersion,
      isClaim: ({ key }) => key?.toString() === claimKey(writer.key),
      wasCommitted: (record) => wasCommitted(record, known.claims),
    });
    return new LeanPublisher(config, writer, producer, compressor, known);
  }

  get transactionVersion(): 1 | 2 {
    return this.#producer.transactionVersion;
  }

  async claim(tail: ProgressTail): Promise<Progress | null> {
    const text = await this.claimText(tail);
    this.#known.claims = tail.claims;
    return text === undefined ? null : parseProgress(text);
  }

  async claimText(tail: ProgressTail): Promise<string | undefined> {
    const claimId = randomUUID();
    const seen = tail.untilClaim(claimId, this.#requestTimeoutMs * 2);
    seen.catch(() => {});
    tail.resume();
    await this.#commit([], claimKey(this.#writer.key), claimId);
    await failpoint('CLAIM_COMMITTED');
    const text = await seen;
    tail.pause();
    return text;
  }

  newBatch(): LeanBatchBuilder {
    return new LeanBatchBuilder(this.#pool);
  }

  async commit(batch: LeanBatchBuilder, progress: Progress, onWritten?: () => void): Promise<void> {
    await this.commitText(batch, serializeProgress(progress), onWritten);
  }

  async write(batch: LeanBatchBuilder): Promise<void> {
    if (this.#compressor !== undefined) await batch.compress(this.#compressor);
    await this.#producer.write([...batch.partitions()], { begun: () => failpoint('PARTITIONS_ADDED') });
    batch.release();
    await failpoint('PART_WRITTEN');
  }

  abandon(): Promise<void> {
    return this.#producer.abandon();
  }

  async commitText(batch: LeanBatchBuilder, text: string, onWritten?: () => void): Promise<void> {
    // Before the transaction begins: its time is limited.
    if (this.#compressor !== undefined) await batch.compress(this.#compressor);
    await this.#commit([...batch.partitions()], this.#writer.key, text, {
      begun: () => failpoint('PARTITIONS_ADDED'),
      answered: () => failpoint('PROGRESS_SENT'),
      sent: () => {
        onWritten?.();
        return failpoint('EVENTS_SENT');
      },
      ending: () => failpoint('COMMIT_SENT'),
    });
    batch.release();
  }

  async close(): Promise<void> {
    await this.#producer.close();
  }

  async #commit(
    parts: readonly PartitionBatches[],
    key: string,
    text: string,
    places?: CrashPoints,
  ): Promise<void> {
    const record = { key, value: Buffer.from(text), headers: {}, timestampMs: Date.now() };
    const bound = recordBound(record);
    const own = new RecordBatch(this.#pool, 0, bound);
    own.append(record, bound);
    const progress = { topic: this.#writer.progressTopic, partition: 0, batches: [own] };
    await this.#producer.commit([...parts, progress], places);
    own.release();
  }
}

/** Up to that of this session; none before it is read. */
type Known = { claims: readonly Claim[] };
