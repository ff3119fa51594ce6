/**
 * Owns the sequence numbers by which Kafka recognises a repeated record batch: in each partition they continue from one
 * transaction to the next while the producer keeps its epoch. Also owns the offsets, which must rise in the answers.
 */

/** Numbers are 31 bits; after the greatest comes 0. */
const numbers = 2 ** 31;

export class Sequences {
  readonly #next = new Map<string, number>();
  readonly #lastOffset = new Map<string, bigint>();
  readonly #first: number;

  /** @param first number of the first record in each partition. */
  constructor(first = 0) {
    this.#first = first;
  }

  /** The number of the first of `count` records, which are then taken. */
  take(partition: string, count: number): number {
    const base = this.#next.get(partition) ?? this.#first;
    this.#next.set(partition, (base + count) % numbers);
    return base;
  }

  /** Whether an answer's offset is above all earlier ones; if not, the broker took the batch for a repetition. */
  rises(partition: string, baseOffset: bigint, count: number): boolean {
    if (baseOffset <= (this.#lastOffset.get(partition) ?? -1n)) return false;
    this.#lastOffset.set(partition, baseOffset + BigInt(count) - 1n);
    return true;
  }
}
