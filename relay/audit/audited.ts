/** What the audit compares: events of the table and records of the topics. */
import { backfillIdHeader, replayedAtHeader, replayIdHeader } from '../encode/replay-headers.ts';
import type { Router } from '../encode/route.ts';
import type { RecordHeaders } from '../publish/wire/record-batch.ts';
import type { Decoder } from './decoder.ts';
import type { RecordPlace } from './findings.ts';
import type { Origin } from './origin.ts';
import { headerText, type TopicRecord } from './read-topics.ts';
import type { RowPlace } from './row-places.ts';

export type AuditedEvent = {
  readonly id: string;
  /** undefined if the event routes to no allowed topic. */
  readonly topic: string | undefined;
  /** null if the table has no such column. */
  readonly createdAtMs: number | null;
  /** Absent: it is to be published. */
  readonly origin?: Origin;
  /** Whether it is known to be written in this database (`letter-meaning.ts`). */
  readonly isOfHere?: boolean;
  /** Where its row is, if it is to be compared. */
  readonly place?: RowPlace;
};

export type AuditedRecord = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly committedAtMs: number;
  readonly key: string | null;
  /** Headers; undefined if absent. */
  readonly id: string | undefined;
  readonly position: string | undefined;
  /** What the record says of a replay that wrote it. */
  readonly replay?: RecordOfReplay | undefined;
  /** Why the value cannot be decoded. */
  readonly fault: string | undefined;
  /** undefined if it was written without a transaction. */
  readonly producerId: bigint | undefined;
};

export type RecordOfReplay = {
  readonly id: string;
  /** Of an event that was published before. If not, it was written before the slot was first made. */
  readonly isAgain: boolean;
  /** When it was sent; NaN if the header is missing or no time. */
  readonly atMs: number;
};

/** What a record says of the replay that wrote it. A record of the stream has a position, whatever its row brought along. */
export function replayOf(headers: RecordHeaders): RecordOfReplay | undefined {
  const again = headerText(headers, replayIdHeader);
  const id = again ?? headerText(headers, backfillIdHeader);
  if (id === undefined || headerText(headers, 'position') !== undefined) return undefined;
  return { id, isAgain: again !== undefined, atMs: Date.parse(headerText(headers, replayedAtHeader) ?? '') };
}

/** An event of the snapshot, and where its rows are. */
export type RowsOfEvent = {
  readonly id: string;
  readonly places: readonly RowPlace[];
  /** NaN if the table has no such column. */
  readonly createdAtMs: number;
};

/** Where a record is, for a report. */
export const recordPlace = ({
  id,
  topic,
  partition,
  offset,
}: Pick<AuditedRecord, 'id' | 'topic' | 'partition' | 'offset'>): RecordPlace => ({
  id: id ?? null,
  topic,
  partition,
  offset: String(offset),
});

export const hasRelayHeaders = ({ headers }: TopicRecord): boolean =>
  headerText(headers, 'id') !== undefined &&
  (headerText(headers, 'position') !== undefined || replayOf(headers) !== undefined);

/** @param decoder undefined for a record whose value is not judged, since it is another producer's */
export function auditedRecord(
  record: TopicRecord,
  decoder: Decoder | undefined,
  router: Router,
): AuditedRecord {
  const { topic, partition, offset, committedAtMs, producerId } = record;
  const isTombstone = record.value === null && router.takesTombstones(topic);
  return {
    topic,
    partition,
    offset,
    committedAtMs,
    producerId,
    key: record.key?.toString() ?? null,
    id: headerText(record.headers, 'id'),
    position: headerText(record.headers, 'position'),
    replay: replayOf(record.headers),
    fault: isTombstone ? undefined : decoder?.faultOf(record.value),
  };
}
