/**
 * What publish is to the rest of the relay: batches, each committed in one Kafka transaction that also holds the
 * progress. Two producers do it; the same tests hold both.
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
   * @returns the last progress before it: the truth. null where the topic holds none.
   */
  claim(tail: ProgressTail): Promise<Progress | null>;
  newBatch(): Batch;
  /**
   * Commits a batch of this publisher and the progress that covers it, together.
   * @throws RelayError PRODUCER_FENCED; KAFKA_UNAUTHORIZED; PUBLISH_REFUSED where records are refused for good;
   * KAFKA_UNAVAILABLE where nothing was sent; PUBLISH_UNCERTAIN for everything whose outcome is not known.
   * After any of them this publisher is of no more use.
   */
  commit(batch: Batch, progress: Progress): Promise<void>;
  close(): Promise<void>;
}
