/**
 * The interface of publish: batches, each committed in one Kafka transaction that also holds the progress. Two
 * producers implement it, and the same tests run against both.
 */
import type { OutboundRecord } from '../encode/record.ts';
import type { Progress } from '../model/progress.ts';
import type { PartitionEvents } from '../observe/facts.ts';
import type { ProgressTail } from './progress-topic.ts';

/** The events of one Kafka transaction while it fills. */
export interface Batch {
  readonly events: number;
  /** Upper bound of the bytes that the records take in Kafka. */
  readonly bytes: number;
  /** Size of the record batches as they were sent, after they were; undefined where the producer does not know it. */
  readonly sentBytes: number | undefined;
  /** How many partitions have events in it. */
  readonly partitionCount: number;
  append(record: OutboundRecord): void;
  /** Events by topic, for metrics. Still available after the batch is committed. */
  eventsByTopic(): Map<string, number>;
  /** Events by partition, for metrics. Not available after the batch is committed. */
  eventsByPartition(): Iterable<PartitionEvents>;
}

export interface Publisher {
  /** Of Kafka's transaction protocols, the one of the latest transaction. */
  readonly transactionVersion: 1 | 2;
  /**
   * Writes a claim in a transaction of its own and waits until it reads the claim back.
   * @returns the last progress before the claim, which is authoritative; null if the topic holds none
   */
  claim(tail: ProgressTail): Promise<Progress | null>;
  /** The same for work whose progress is of another kind. @returns its text; undefined if the topic holds none */
  claimText(tail: ProgressTail): Promise<string | undefined>;
  /** Another batch may fill while one is written or committed. */
  newBatch(): Batch;
  /**
   * Writes a batch of this publisher into the open Kafka transaction, and begins one if none is open. What is written
   * becomes visible with the next `commit`, which ends the transaction. The buffers of the batch are free afterwards.
   * @throws RelayError as `commit` does
   */
  write(batch: Batch): Promise<void>;
  /**
   * Commits a batch of this publisher together with the progress that covers it. One commit at a time.
   * @param onWritten called when every record is written, before the transaction is ended
   * @throws RelayError PRODUCER_FENCED; TRANSACTION_EXPIRED if Kafka aborted it for its age; KAFKA_UNAUTHORIZED;
   * PUBLISH_REFUSED if records are refused permanently;
   * KAFKA_UNAVAILABLE if nothing was sent; PUBLISH_UNCERTAIN if the outcome is unknown.
   * After any of them this publisher must not be used again.
   */
  commit(batch: Batch, progress: Progress, onWritten?: () => void): Promise<void>;
  /** The same with a progress of another kind. @param text of the progress, for the key of the writer */
  commitText(batch: Batch, text: string, onWritten?: () => void): Promise<void>;
  /**
   * Aborts the open transaction, if there is one, so that consumers need not wait for its timeout. Fails in silence:
   * the next publisher with the transactional id aborts it too. After it this publisher must not be used again.
   */
  abandon(): Promise<void>;
  /** Closes the connections. Does not wait for a commit: its outcome is then unknown. */
  close(): Promise<void>;
}
