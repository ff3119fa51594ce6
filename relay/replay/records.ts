/**
 * From an event of the table to the record of a replay: encoded as the stream encodes it, with headers that say which replay
 * wrote it, and without a position, which the table does not hold. Where all events go to one topic, that topic alone is
 * asked for; the schema stays that of the event's own topic.
 */
import { isTopic, type OutboundRecord, type Refusal, type TopicDirectory } from '../encode/record.ts';
import { recordBytes } from '../encode/record-size.ts';
import { replayedAtHeader } from '../encode/replay-headers.ts';

/** A directory in which every topic has the settings of `target`. */
export function redirected(topics: TopicDirectory, target: string): TopicDirectory {
  return {
    resolve: async () => {
      const found = await topics.resolve(target);
      return isTopic(found) ? found : { ...found, message: `${target}: ${found.message}` };
    },
  };
}

export type Marks = {
  /** Name of the header that names the replay. */
  readonly header: string;
  readonly replayId: string;
  readonly replayedAt: string;
  /** Where the record goes; null: to its own topic. */
  readonly topic: string | null;
  /** publish.maxRecordBytes */
  readonly maxRecordBytes: number;
};

/** The record as the replay sends it; or why it cannot: the headers are more than what the stream had to send. */
export function marked(
  record: OutboundRecord,
  marks: Marks,
): OutboundRecord | Pick<Refusal, 'code' | 'message' | 'topic'> {
  const { position: _, ...rest } = record.headers;
  const headers = { ...rest, [marks.header]: marks.replayId, [replayedAtHeader]: marks.replayedAt };
  const bytes = recordBytes(record.key, record.value, headers);
  const topic = marks.topic ?? record.topic;
  const limit = Math.min(marks.maxRecordBytes, record.maxBatchBytes);
  if (bytes > limit)
    return {
      code: 'RECORD_TOO_LARGE',
      message: `${bytes} bytes with the headers of the replay, at most ${limit} fit`,
      topic,
    };
  return { ...record, topic, headers, bytes };
}
