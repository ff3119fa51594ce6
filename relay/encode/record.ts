/** What encode gives: a record that is ready for Kafka, or the refusal of an event that cannot be published as it is. */
import type { OutboxEvent } from '../capture/event.ts';
import type { ErrorCode, RelayError } from '../errors.ts';

export type OutboundRecord = {
  readonly topic: string;
  readonly partition: number;
  /** The `aggregateid`, UTF-8. */
  readonly key: string;
  /**
   * Confluent framing: byte 0, schema id (4 bytes, big endian), Avro. Or the payload as JSON, UTF-8. null for a tombstone.
   */
  readonly value: Buffer | null;
  /** `id`, those of `records.headers`, `position`, `committed-at` where that is not the timestamp, then the row's own. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the record, ms since 1970: the commit time in Postgres, or a later one where the topic would not keep that. */
  readonly timestampMs: number;
  /** Upper bound of what the record takes in a Kafka record batch. */
  readonly bytes: number;
  /** Most bytes of records that a record batch of its topic may hold. */
  readonly maxBatchBytes: number;
};

/** An event that cannot be published as it is, and why. `message` names places and types, never a value of the payload. */
export type Refusal = OutboxEvent & {
  readonly code: ErrorCode;
  readonly message: string;
  /** JSON path in the payload, for example `$.lines[3].price`. */
  readonly path: string | null;
  readonly topic: string | null;
  readonly subject: string | null;
  readonly schemaId: number | null;
  /** Set where it was retried, since its reason might have passed. */
  readonly failure?: {
    readonly attempts: number;
    /** Without the error's own words, which might quote the payload. */
    readonly stack: string;
  };
};

export type EncodedEvent = OutboundRecord | Refusal;

export const isRefusal = (encoded: EncodedEvent): encoded is Refusal => 'code' in encoded;

/** What encode has to know about a topic. publish, which talks to the broker, provides it. */
export type TopicInfo = {
  readonly partitions: number;
  /** Largest record batch the topic takes (max.message.bytes). */
  readonly maxMessageBytes: number;
  /** How old, by its timestamp, a record may be before the topic removes or refuses it; Infinity where it may be any age. */
  readonly keptMs: number;
};

/** Why events cannot go to a topic: the answer of the cluster for a name that comes from a row. */
export type NoTopic = {
  readonly code: 'TOPIC_MISSING' | 'TOPIC_REFUSED';
  readonly message: string;
  /** The error of the cluster, where it may pass. */
  readonly cause?: RelayError;
};

export interface TopicDirectory {
  /**
   * The topic, created if allowed; or why the cluster has none of that name for us, while it has others.
   * @throws RelayError KAFKA_* when the cluster does not answer, or refuses every topic.
   */
  resolve(topic: string): Promise<TopicInfo | NoTopic>;
}

export const isTopic = (found: TopicInfo | NoTopic): found is TopicInfo => 'partitions' in found;
