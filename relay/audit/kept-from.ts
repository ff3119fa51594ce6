/**
 * Owns what may have been removed from the beginning of a topic's partitions, and what explains it. Where the first record of
 * this outbox that is left tells how far back a partition reaches, everything before it may be gone. Kafka's own removal
 * explains that for records which are older than the topic keeps them, or where it also removes by size. Of a younger one
 * nobody can tell whether somebody removed it or it was never there. A record of another producer tells nothing: it has any
 * timestamp it likes.
 */
import type { Retention, RetentionOf } from './retention.ts';

export class KeptFrom {
  /** Partitions without their beginning, with their topic and the time of the first record of the outbox in them. */
  readonly #trimmed = new Map<string, { readonly topic: string; firstMs?: number }>();
  /** By topic, the latest among its trimmed partitions: which of them had a record is not known of an absent event. */
  readonly #explainedMs = new Map<string, number>();
  readonly #goneMs = new Map<string, number>();

  addTrimmed(topic: string, partition: number): void {
    this.#trimmed.set(`${topic}/${partition}`, { topic });
  }

  /** A record of the outbox: the first of a partition is the oldest that remains. */
  note(topic: string, partition: number, committedAtMs: number): void {
    const trimmed = this.#trimmed.get(`${topic}/${partition}`);
    if (trimmed !== undefined) trimmed.firstMs ??= committedAtMs;
  }

  /** Called when everything is read. */
  explain(retentionOf: RetentionOf): void {
    for (const { topic, firstMs } of this.#trimmed.values()) {
      raise(this.#goneMs, topic, firstMs ?? Number.POSITIVE_INFINITY);
      raise(this.#explainedMs, topic, explainedUntilMs(firstMs, retentionOf(topic)));
    }
  }

  /** Kafka's own removal explains that an older event is absent; undefined if nothing was removed. */
  explainedMs(topic: string | undefined): number | undefined {
    return topic === undefined ? undefined : this.#explainedMs.get(topic);
  }

  /** Nothing tells whether an event that is older, and not explained, was in the topic; undefined if nothing was removed. */
  goneMs(topic: string | undefined): number | undefined {
    return topic === undefined ? undefined : this.#goneMs.get(topic);
  }
}

function explainedUntilMs(firstMs: number | undefined, retention: Retention | undefined): number {
  if (retention === undefined) return Number.NEGATIVE_INFINITY;
  // Size never removes the segment that is written to. So what is left without a record has lost the last one by its age.
  if (firstMs === undefined) return retention.expiredMs;
  return retention.isAlsoBySize ? firstMs : Math.min(firstMs, retention.expiredMs);
}

function raise(times: Map<string, number>, topic: string, ms: number): void {
  times.set(topic, Math.max(ms, times.get(topic) ?? Number.NEGATIVE_INFINITY));
}
