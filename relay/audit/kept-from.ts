/**
 * Owns from which time on a topic still has every record. Kafka may have removed the beginning of a partition. Only a record
 * of the outbox tells how far back its partition reaches: another producer's has any timestamp it likes. Where none is left,
 * the topic's settings tell what its age can have removed; that somebody removed more, nothing excludes.
 */
export class KeptFrom {
  /** Partitions without their beginning, of which no record of the outbox was seen yet, with their topic. */
  readonly #trimmed = new Map<string, string>();
  /** Of these, the ones that hold records of other producers. */
  readonly #ofOthers = new Set<string>();
  /** By topic: the latest time among its trimmed partitions. */
  readonly #fromMs = new Map<string, number>();
  /** Topics of which a partition does not tell. */
  readonly #unknown = new Set<string>();

  addTrimmed(topic: string, partition: number): void {
    this.#trimmed.set(`${topic}/${partition}`, topic);
  }

  /** A record of the outbox: the first of a partition is the oldest that remains. */
  note(topic: string, partition: number, committedAtMs: number): void {
    if (this.#trimmed.delete(`${topic}/${partition}`)) this.#raise(topic, committedAtMs);
  }

  /** A record of another producer. */
  noteOthers(topic: string, partition: number): void {
    const place = `${topic}/${partition}`;
    if (this.#trimmed.has(place)) this.#ofOthers.add(place);
  }

  /**
   * Called when everything is read. A trimmed partition without any record has lost what its topic keeps no longer, and
   * perhaps more; where the settings do not limit that by age, it may have lost anything. One that is left with records of
   * others alone reaches back to nobody knows when.
   * @param expiredMs up to when records of a topic may have been removed because of their age; undefined: not known, or not
   *   only because of it
   */
  noteEmptied(expiredMs: (topic: string) => number | undefined = () => undefined): void {
    for (const [place, topic] of this.#trimmed) {
      const untilMs = expiredMs(topic);
      if (this.#ofOthers.has(place)) this.#unknown.add(topic);
      else if (untilMs === undefined) this.#raise(topic, Number.POSITIVE_INFINITY);
      else {
        this.#raise(topic, untilMs);
        this.#unknown.add(topic);
      }
    }
  }

  /** undefined if nothing was removed. */
  fromMs(topic: string | undefined): number | undefined {
    return topic === undefined ? undefined : this.#fromMs.get(topic);
  }

  /** Whether it may have lost records that are younger than `fromMs`. */
  isUnknown(topic: string | undefined): boolean {
    return topic !== undefined && this.#unknown.has(topic);
  }

  #raise(topic: string, ms: number): void {
    this.#fromMs.set(topic, Math.max(ms, this.#fromMs.get(topic) ?? Number.NEGATIVE_INFINITY));
  }
}
