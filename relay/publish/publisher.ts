/**
 * What publish offers to the rest of the relay: batches, each committed in one Kafka transaction together with the
 * progress. Two producers implement it, and the same tests cover both.
 */
import type { OutboundRecord } from '../encode/record.ts';
import type { Progress } from '../model/progress.ts';
import type { ProgressTail } from './progress-topic.ts';

/** The events of one Kafka transaction while it fills. */
export interface Batch {
  readonly events: number;
  /** Bytes the records take in Kafka, at most. */
  readonly bytes: number;
  append(record: OutboundRecord): void;
  /** Events by topic, for metrics; also after the batch is committed. */
  eventsByTopic(): Map<string, number>;
}

export interface Publisher {
  /**
   * Writes a claim in a transaction of its own and waits until it is read back.
   * @returns the last progress before it, which is the truth; null if the topic holds none
   */
  claim(tail: ProgressTail): Promise<Progress | null>;
  /** Another batch may fill while one is committed. */
  newBatch(): Batch;
  /**
   * Commits a batch of this publisher and the progress that covers it, together. One commit at a time.
   * @throws RelayError PRODUCER_FENCED; KAFKA_UNAUTHORIZED; PUBLISH_REFUSED if records are refused permanently;
   * KAFKA_UNAVAILABLE if nothing was sent; PUBLISH_UNCERTAIN if the outcome is unknown.
   * After any of them this publisher must not be used again.
   */
  commit(batch: Batch, progress: Progress): Promise<void>;
  /** Closes the connections. Does not wait for a commit: its outcome is then unknown. */
  close(): Promise<void>;
}
