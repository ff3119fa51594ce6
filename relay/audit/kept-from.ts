/**
 * Owns what may have been removed from the beginning of a topic's partitions, and what explains it. Where the first record of
 * this outbox that is left tells how far back a partition reaches, everything before it may be gone. Kafka's own removal
 * explains that for records which are older than the topic keeps them, or where it also removes by size. Of a younger one
 * nobody can tell whether somebody removed it or it was never there. A record of another producer tells nothing: it has any
 * timestamp it likes.
 */
import type { Retention, RetentionOf } from './retention.ts';

/** Of a topic that has lost the beginning of a partition. */
export type Lost = {
  /** Kafka's own removal explains that an older event is absent. */
  readonly explainedMs: number;
  /** Nothing tells whether an event that is older, and not explained, was in the topic. */
  readonly goneMs: number;
};

export class KeptFrom {
  /** Partitions without their beginning, with their topic and the time of the first record of the outbox in them. */
  readonly #trimmed = new Map<string, { readonly topic: string; firstMs?: number }>();
  /** By topic, the latest among its trimmed partitions: which of them had a record is not known of an absent event. */
  readonly #lost = new Map<string, Lost>();

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
      const before = this.#lost.get(topic) ?? nothing;
      const explainedMs = explainedUntilMs(firstMs, retentionOf(topic));
      this.#lost.set(topic, {
        explainedMs: Math.max(before.explainedMs, explainedMs),
        goneMs: Math.max(before.goneMs, firstMs ?? Number.POSITIVE_INFINITY),
      });
    }
  }

  /** undefined if nothing was removed. */
  lost(topic: string | undefined): Lost | undefined {
    return topic === undefined ? undefined : this.#lost.get(topic);
  }
}

const nothing: Lost = { explainedMs: Number.NEGATIVE_INFINITY, goneMs: Number.NEGATIVE_INFINITY };

function explainedUntilMs(firstMs: number | undefined, retention: Retention | undefined): number {
  if (retention === undefined) return Number.NEGATIVE_INFINITY;
  // Size never removes the segment that is written to. So what is left without a record has lost the last one by its age.
  if (firstMs === undefined) return retention.expiredMs;
  return retention.isAlsoBySize ? firstMs : Math.min(firstMs, retention.expiredMs);
}
