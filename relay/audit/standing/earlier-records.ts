/**
 * Looks whether an event was published before a record of it, in everything that the topics still have. For the case that
 * an earlier window could not judge its row: that it had no record then, and that one has come since, looks like a
 * duplicate to a window, which has forgotten every row that was judged.
 */
import { headerText, readTopics, stableRanges, stallMsOf } from '../read-topics.ts';
import type { OpenRecord } from './matching.ts';
import type { WindowMeans } from './window-means.ts';

/** `unknown`: there is no earlier record, but the topic has lost some. */
export type Earlier = 'there' | 'absent' | 'unknown';

/** @throws RelayError KAFKA_* */
export async function findEarlier(
  { config, kafka, admin, pace }: WindowMeans,
  records: readonly OpenRecord[],
): Promise<(record: OpenRecord) => Earlier> {
  const byId = Map.groupBy(records, ({ id }) => id);
  const repeated = new Set<OpenRecord>();
  const trimmed = new Set<string>();
  const ranges = await stableRanges(admin, [...new Set(records.map(({ topic }) => topic))]);
  for (const { topic, low } of ranges) if (low > 0n) trimmed.add(topic);
  await readTopics({
    kafka,
    ranges,
    stallMs: stallMsOf(config),
    onTrimmed: (topic) => trimmed.add(topic),
    onRecords: async (some) => {
      for (const read of some) {
        // What a replay has published again stands in for no record of the stream.
        if (headerText(read.headers, 'replay-id') !== undefined) continue;
        for (const record of byId.get(headerText(read.headers, 'id') ?? '') ?? [])
          if (isEarlier(read, record)) repeated.add(record);
      }
      await pace.took(some.length);
    },
  });
  return (record) => {
    if (repeated.has(record)) return 'there';
    return trimmed.has(record.topic) ? 'unknown' : 'absent';
  };
}

type Place = Pick<OpenRecord, 'topic' | 'partition' | 'offset' | 'committedAtMs'>;

/** Offsets order one partition only. Of two records at the same time in two partitions, one counts for the other. */
function isEarlier(read: Place, record: Place): boolean {
  if (read.topic !== record.topic) return false;
  return read.partition === record.partition
    ? read.offset < record.offset
    : read.committedAtMs <= record.committedAtMs;
}
