/** Owns from when on topics still hold every record: where Kafka removed the beginning of a partition, from what is left. */
export class KeptFrom {
  /** Partitions whose beginning is gone and that had no record yet, with their topic. */
  readonly #trimmed = new Map<string, string>();
  /** Of each topic the latest of its trimmed partitions. */
  readonly #fromMs = new Map<string, number>();

  addTrimmed(topic: string, partition: number): void {
    this.#trimmed.set(`${topic}/${partition}`, topic);
  }

  /** The first record of a partition is the oldest one left. */
  note(topic: string, partition: number, committedAtMs: number): void {
    if (!this.#trimmed.delete(`${topic}/${partition}`)) return;
    this.#fromMs.set(topic, Math.max(committedAtMs, this.#fromMs.get(topic) ?? 0));
  }

  /** Once all is read: a trimmed partition that has no record left may have held anything. */
  noteEmptied(): void {
    for (const topic of this.#trimmed.values()) this.#fromMs.set(topic, Number.POSITIVE_INFINITY);
  }

  /** undefined where nothing was removed. */
  fromMs(topic: string | undefined): number | undefined {
    return topic === undefined ? undefined : this.#fromMs.get(topic);
  }
}
