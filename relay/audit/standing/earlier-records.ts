/**
 * Reads again what the topics still have of earlier windows, which have forgotten every row and record that was judged: for
 * a row without a record in its window, and for a record that looks like the second of its event.
 */
import { groupBy } from '../../model/builtins.ts';
import { hasRelayHeaders, replayOf } from '../audited.ts';
import {
  headerText,
  type PartitionRange,
  readTopics,
  stableRanges,
  stallMsOf,
  type TopicRecord,
} from '../read-topics.ts';
import type { OpenRecord } from './matching.ts';
import type { WindowScope } from './window-means.ts';

export type ReadScope = Pick<WindowScope, 'means' | 'producers'>;

/**
 * Each event as it was first published, to look for those of rows that the table has. What a replay has published again
 * stands in for nothing.
 * @param onRecord `id`: undefined where the record is of another producer, and stands in for nothing either; `isOfStream`:
 *   its time says what the topic still has; a replay writes events late
 * @throws RelayError KAFKA_*
 */
export async function readFirst(
  { means: { config, kafka, pace }, producers }: ReadScope,
  ranges: readonly PartitionRange[],
  onTrimmed: (topic: string, partition: number) => void,
  onRecord: (record: TopicRecord, id: string | undefined, isOfStream: boolean) => void,
): Promise<void> {
  await readTopics({
    kafka,
    ranges,
    stallMs: stallMsOf(config),
    onTrimmed,
    onRecords: async (records) => {
      for (const record of records) {
        const replay = replayOf(record.headers);
        if (replay?.isAgain === true) continue;
        const isOurs = hasRelayHeaders(record) && !producers.isOfOthers(record.producerId, () => true);
        onRecord(record, isOurs ? headerText(record.headers, 'id') : undefined, replay === undefined);
      }
      await pace.took(records.length);
    },
  });
}

/** `unknown`: there is no earlier record, but the topic has lost some. */
export type Earlier = 'there' | 'absent' | 'unknown';

/**
 * Looks whether an event was published before a record of it. For the case that an earlier window could not judge its row:
 * if that had no record then, and one has come since, it looks like a duplicate.
 * @throws RelayError KAFKA_*
 */
export async function findEarlier(
  scope: ReadScope,
  records: readonly OpenRecord[],
): Promise<(record: OpenRecord) => Earlier> {
  const byId = groupBy(records, ({ id }) => id);
  const repeated = new Set<OpenRecord>();
  const trimmed = new Set<string>();
  const ranges = await stableRanges(scope.means.admin, [...new Set(records.map(({ topic }) => topic))]);
  for (const { topic, low } of ranges) if (low > 0n) trimmed.add(topic);
  await readFirst(
    scope,
    ranges,
    (topic) => trimmed.add(topic),
    (read, id) => {
      for (const record of byId.get(id ?? '') ?? []) if (isEarlier(read, record)) repeated.add(record);
    },
  );
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
