/**
 * Publishes batches with kafkajs's producer, each in one Kafka transaction that also holds the progress. Exactly-once
 * rests on three rules: one producer has one request in flight; any uncertain outcome ends this producer for good; a
 * transaction counts as committed only if the coordinator has confirmed it.
 *
 * By default kafkajs's producer resends after a partial failure, reuses sequence numbers after an abort, and resolves
 * even if it dropped records for partitions that it did not know. So this publisher does not retry a send, never
 * aborts, and checks every answer.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Kafka, PartitionerArgs, Producer, RecordMetadata, Transaction } from 'kafkajs';
import type { Config } from '../../config/config.ts';
import { codecNumbers } from '../../connect/compression/codec-numbers.ts';
import { openCompressor } from '../../connect/compression/compressors.ts';
import { kafkaError, kafkaErrorType } from '../../connect/kafka.ts';
import { RelayError } from '../../errors.ts';
import { type Progress, parseProgress, serializeProgress } from '../../model/progress.ts';
import { type Failpoint, failpoint } from '../../observe/failpoints.ts';
import { orExpired, recordsRefused } from '../failed-transaction.ts';
import { claimKey, type ProgressTail } from '../progress-topic.ts';
import type { Publisher } from '../publisher.ts';
import { whyNoCoordinator } from '../rights.ts';
import { relayWriter, type Writer } from '../writer.ts';
import { BatchBuilder, isCompressible, type PartitionSlice, toTopicMessages } from './batch.ts';

/**
 * After a commit the coordinator writes markers, which takes a few ms. Until then it answers the next transaction with
 * CONCURRENT_TRANSACTIONS. kafkajs would wait 300 ms: 1,020 records/s instead of 18,915 in transactions of 100.
 */
const concurrentTransactionsPauseMs = 2;

export class KafkajsPublisher implements Publisher {
  readonly transactionVersion = 1;
  readonly #writer: Writer;
  readonly #requestTimeoutMs: number;
  readonly #compression: Config['publish']['compression'];
  readonly #producer: Producer;
  /** Base offset of the latest record batch by `topic/partition`. The next one must be greater. */
  readonly #offsets = new Map<string, bigint>();
  #begun: Transaction | undefined;
  /** The transaction that has records and is not ended. */
  #open: Transaction | undefined;
  /** Before the coordinator can have heard of it. */
  #begunAtMs = Number.POSITIVE_INFINITY;
  #failure: RelayError | undefined;

  private constructor(kafka: Kafka, config: Config, writer: Writer) {
    this.#writer = writer;
    this.#requestTimeoutMs = config.kafka.requestTimeoutMs;
    this.#compression = config.publish.compression;
    this.#producer = kafka.producer({
      transactionalId: writer.transactionalId,
      transactionTimeout: writer.transactionTimeoutMs,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry: { retries: 0 },
      createPartitioner: () => explicitPartition,
    });
  }

  /**
   * Fences every predecessor: InitProducerId aborts its open transaction, if any, and Kafka refuses its later ones.
   * @throws RelayError KAFKA_*; CONFIG_INVALID if this machine cannot write the codec
   * @see https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging
   */
  static async fence(kafka: Kafka, config: Config, writer = relayWriter(config)): Promise<KafkajsPublisher> {
    await openCompressor(config.publish.compression);
    const publisher = new KafkajsPublisher(kafka, config, writer);
    try {
      await publisher.#producer.connect();
      // The first transaction() sends InitProducerId. It will hold the claim.
      publisher.#begun = await publisher.#producer.transaction();
      return publisher;
    } catch (error) {
      await publisher.close();
      const reason = await whyNoCoordinator(kafka, writer.transactionalId, error);
      throw kafkaError(reason, 'fencing the predecessor');
    }
  }

  async claim(tail: ProgressTail): Promise<Progress | null> {
    const text = await this.claimText(tail);
    return text === undefined ? null : parseProgress(text);
  }

  async claimText(tail: ProgressTail): Promise<string | undefined> {
    const claimId = randomUUID();
    const seen = tail.untilClaim(claimId, this.#requestTimeoutMs * 2);
    seen.catch(() => {});
    tail.resume();
    await this.#transact(async () => {
      await this.#writeProgress(claimKey(this.#writer.key), claimId);
      await this.#end();
    });
    await failpoint('CLAIM_COMMITTED');
    const text = await seen;
    tail.pause();
    return text;
  }

  newBatch(): BatchBuilder {
    return new BatchBuilder();
  }

  commit(batch: BatchBuilder, progress: Progress, onWritten?: () => void): Promise<void> {
    return this.commitText(batch, serializeProgress(progress), onWritten);
  }

  async commitText(batch: BatchBuilder, text: string, onWritten?: () => void): Promise<void> {
    await this.#transact(async () => {
      // The progress goes first, unless a part of the transaction is written already. Only a send to one partition can
      // be retried safely on CONCURRENT_TRANSACTIONS, and after it has succeeded, that error cannot occur again in this
      // transaction.
      const isFirst = this.#open === undefined;
      if (isFirst) await this.#writeProgress(this.#writer.key, text);
      await failpoint('PROGRESS_SENT');
      for (const send of batch.sends()) await this.#send(await this.#transaction(), send);
      if (!isFirst) await this.#writeProgress(this.#writer.key, text);
      onWritten?.();
      await failpoint('EVENTS_SENT');
      await this.#end('COMMIT_SENT');
    });
  }

  async write(batch: BatchBuilder): Promise<void> {
    await this.#transact(async () => {
      for (const send of batch.sends()) {
        // As with the progress: the first send of a transaction is one to a single partition.
        const [first, ...others] = send;
        const isBegun = this.#open !== undefined;
        if (!isBegun && first !== undefined) await this.#sendFirst([first]);
        const rest = isBegun ? send : others;
        if (rest.length > 0) await this.#send(await this.#transaction(), rest);
      }
    });
    await failpoint('PART_WRITTEN');
  }

  async abandon(): Promise<void> {
    const open = this.#failure === undefined ? this.#open : undefined;
    this.#failure ??= new RelayError('INTERNAL', 'its transaction was abandoned');
    // The next producer with this transactional id aborts the transaction too, and so does Kafka after its timeout.
    await open?.abort().catch(() => {});
  }

  async close(): Promise<void> {
    await this.#producer.disconnect().catch(() => {});
  }

  async #transact(work: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined)
      throw new RelayError('INTERNAL', 'the producer was used after a failure', { cause: this.#failure });
    if (this.#open === undefined) this.#begunAtMs = performance.now();
    try {
      await work();
    } catch (error) {
      const failure = recordsRefused(error) ?? kafkaError(error, 'publishing', 'PUBLISH_UNCERTAIN');
      const elapsedMs = performance.now() - this.#begunAtMs;
      this.#failure = orExpired(failure, elapsedMs, this.#writer.transactionTimeoutMs);
      throw this.#failure;
    }
  }

  /** The open transaction; begins one if none is open. */
  async #transaction(): Promise<Transaction> {
    this.#open ??= this.#begun ?? (await this.#producer.transaction());
    this.#begun = undefined;
    return this.#open;
  }

  async #end(ending?: Failpoint): Promise<void> {
    const committed = (await this.#transaction()).commit();
    committed.catch(() => {}); // awaited below, after the failpoint
    if (ending !== undefined) await failpoint(ending);
    await committed;
    this.#open = undefined;
  }

  #writeProgress(key: string, value: string): Promise<void> {
    const topic = this.#writer.progressTopic;
    const messages = [{ key, value, partition: 0 }];
    return this.#sendFirst([{ topic, partition: 0, messages, bytes: 0, maxBytes: Number.POSITIVE_INFINITY }]);
  }

  /** To one partition. */
  async #sendFirst(send: readonly PartitionSlice[]): Promise<void> {
    const transaction = await this.#transaction();
    const deadline = performance.now() + this.#requestTimeoutMs;
    for (;;) {
      try {
        return await this.#send(transaction, send);
      } catch (error) {
        if (kafkaErrorType(error) !== 'CONCURRENT_TRANSACTIONS' || performance.now() > deadline) throw error;
        await delay(concurrentTransactionsPauseMs);
      }
    }
  }

  async #send(transaction: Transaction, send: readonly PartitionSlice[]): Promise<void> {
    const answers = await transaction.sendBatch({
      topicMessages: toTopicMessages(send),
      acks: -1,
      timeout: this.#requestTimeoutMs,
      compression: isCompressible(send) ? codecNumbers[this.#compression] : codecNumbers.none,
    });
    for (const slice of send) this.#checkAnswer(slice, answers);
  }

  #checkAnswer({ topic, partition }: PartitionSlice, answers: readonly RecordMetadata[]): void {
    const key = `${topic}/${partition}`;
    const answer = answers.find(
      (candidate) => candidate.topicName === topic && candidate.partition === partition,
    );
    if (answer === undefined)
      throw new RelayError(
        'PUBLISH_UNCERTAIN',
        `the answer to Produce does not name ${key}: its records were not sent`,
      );
    if (answer.errorCode !== 0)
      throw new RelayError('PUBLISH_UNCERTAIN', `${key} answered with error ${answer.errorCode}`);
    const offset = BigInt(answer.baseOffset ?? '-1');
    const before = this.#offsets.get(key) ?? -1n;
    if (offset <= before)
      throw new RelayError(
        'PUBLISH_UNCERTAIN',
        `${key} answered with offset ${offset} after ${before}: the broker took the batch for a duplicate`,
      );
    this.#offsets.set(key, offset);
  }
}

function explicitPartition({ message }: PartitionerArgs): number {
  if (message.partition === undefined)
    throw new RelayError('INTERNAL', 'a record without a partition reached the producer');
  return message.partition;
}
