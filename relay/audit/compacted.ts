/**
 * Decides which absent events compaction accounts for. From a compacted topic Kafka removes every record that a later one
 * of its key follows, and a tombstone some time after it was written. Everything younger must be there.
 */
import type { Admin } from 'kafkajs';
import { readTopicSettings } from './topic-settings.ts';

/** By compacted topic: the shortest time that a tombstone stays, ms. */
export type Compacted = ReadonlyMap<string, number>;

/** undefined without the right to read the settings. @throws RelayError KAFKA_* */
export async function findCompacted(admin: Admin, topics: readonly string[]): Promise<Compacted | undefined> {
  if (topics.length === 0) return new Map();
  const settings = await readTopicSettings(admin, topics, ['cleanup.policy', 'delete.retention.ms']);
  if (settings === undefined) return undefined;
  const compacted = new Map<string, number>();
  for (const [topic, each] of settings)
    if (each.get('cleanup.policy')?.includes('compact'))
      compacted.set(topic, Number(each.get('delete.retention.ms') ?? 0));
  return compacted;
}

/** Of the key of an absent event, in a compacted topic. */
export type KeyState = {
  /** When its last remaining record was committed, ms; undefined if none remains. */
  readonly lastRecordMs: number | undefined;
  /** When the last of its tombstones that may be gone by now was written, ms; undefined if there is none. */
  readonly lastTombstoneMs: number | undefined;
};

/**
 * Whether compaction may have removed the record of an absent event.
 * @param eventMs when it was committed, or written if that is not known; undefined if neither is
 */
export function isSuperseded(
  eventMs: number | undefined,
  { lastRecordMs, lastTombstoneMs }: KeyState,
): boolean {
  const laterMs = Math.max(
    lastRecordMs ?? Number.NEGATIVE_INFINITY,
    lastTombstoneMs ?? Number.NEGATIVE_INFINITY,
  );
  return eventMs === undefined ? Number.isFinite(laterMs) : eventMs <= laterMs;
}
