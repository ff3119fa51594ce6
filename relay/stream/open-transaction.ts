/**
 * Owns what is written into the Kafka transaction that is open, and not visible yet: the leading parts of one Postgres
 * transaction that is too large to be held in memory. Bounded: it keeps counts, not events.
 */
import type { Covered } from '../model/progress.ts';
import type { PartitionEvents, Waypoints } from '../observe/facts.ts';
import type { Filling } from './filling.ts';
import { TracedEvents } from './traced-events.ts';

export class OpenTransaction {
  /** On the monotonic clock. */
  readonly begunMs: number;
  /** How far the stream is covered once it is committed. */
  covered: Covered | undefined;
  events = 0;
  rows = 0;
  bytes = 0;
  sentBytes: number | undefined = 0;
  deadLetters = 0;
  /** Batches written. */
  parts = 0;
  /** Whether there is anything beyond the progress itself. */
  hasEvents = false;
  readonly eventsByTopic = new Map<string, number>();
  /** Commit times in Postgres and waypoints, one for each Postgres transaction that has events here. */
  readonly committedAtMs: number[] = [];
  readonly waypoints: Waypoints[] = [];
  traced: TracedEvents | undefined;
  eventsByPartition: readonly PartitionEvents[] = [];
  #lastLsn: bigint | undefined;

  constructor(begunMs: number) {
    this.begunMs = begunMs;
  }

  /** How many Postgres transactions have events here or among these, which follow. */
  transactionsWith(lsns: readonly bigint[]): number {
    return (
      this.committedAtMs.length + lsns.length - (lsns[0] !== undefined && lsns[0] === this.#lastLsn ? 1 : 0)
    );
  }

  /** To be called when a batch is written. @param byPartition as it was before, when its buffers were its own */
  add(filled: Filling, byPartition: readonly PartitionEvents[]): void {
    const { batch } = filled;
    this.covered = coveredBy(this, filled);
    this.events += filled.events;
    this.rows += filled.rows;
    this.bytes += batch.bytes;
    this.sentBytes = batch.sentBytes === undefined ? undefined : (this.sentBytes ?? 0) + batch.sentBytes;
    this.deadLetters += filled.deadLetters.length;
    this.parts += 1;
    this.hasEvents ||= filled.hasEvents;
    for (const [topic, events] of batch.eventsByTopic())
      this.eventsByTopic.set(topic, (this.eventsByTopic.get(topic) ?? 0) + events);
    this.eventsByPartition = this.parts === 1 ? byPartition : sum(this.eventsByPartition, byPartition);
    filled.lsns.forEach((lsn, at) => {
      if (lsn === this.#lastLsn) return;
      this.#lastLsn = lsn;
      this.committedAtMs.push(filled.committedAtMs[at]!);
      this.waypoints.push(filled.waypoints[at]!);
    });
    if (filled.traced === undefined) return;
    this.traced ??= new TracedEvents();
    this.traced.absorb(filled.traced);
  }
}

function sum(one: readonly PartitionEvents[], other: readonly PartitionEvents[]): PartitionEvents[] {
  const sums = new Map<string, PartitionEvents>();
  for (const { topic, partition, events } of [...one, ...other]) {
    const key = `${topic}/${partition}`;
    sums.set(key, { topic, partition, events: events + (sums.get(key)?.events ?? 0) });
  }
  return [...sums.values()];
}

/** How far an open transaction covers the stream, once the batch is part of it. */
export function coveredBy(open: OpenTransaction | undefined, { covered }: Filling): Covered | undefined {
  if (covered === undefined) return open?.covered;
  return {
    ...covered,
    endLsn: covered.endLsn ?? open?.covered?.endLsn ?? null,
    beat: covered.beat ?? open?.covered?.beat,
  };
}
