/** Owns from which time on a topic still has every record. Kafka may have removed the beginning of a partition. */
export class KeptFrom {
  /** Partitions without their beginning, of which no record was seen yet, with their topic. */
  readonly #trimmed = new Map<string, string>();
  /** By topic: the latest time among its trimmed partitions. */
  readonly #fromMs = new Map<string, number>();

  addTrimmed(topic: string, partition: number): void {
    this.#trimmed.set(`${topic}/${partition}`, topic);
  }

  /** The first record of a partition is the oldest that remains. */
  note(topic: string, partition: number, committedAtMs: number): void {
    if (!this.#trimmed.delete(`${topic}/${partition}`)) return;
    this.#fromMs.set(topic, Math.max(committedAtMs, this.#fromMs.get(topic) ?? 0));
  }

  /** Called when everything is read: a trimmed partition without any record may have held anything. */
  noteEmptied(): void {
    for (const topic of this.#trimmed.values()) this.#fromMs.set(topic, Number.POSITIVE_INFINITY);
  }

  /** undefined if nothing was removed. */
  fromMs(topic: string | undefined): number | undefined {
    return topic === undefined ? undefined : this.#fromMs.get(topic);
  }
}
