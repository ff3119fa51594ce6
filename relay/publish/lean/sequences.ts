/**
 * Owns the sequence numbers by which Kafka detects a duplicate record batch. They continue from one transaction to the
 * next in each partition, as long as the producer keeps its epoch, and then restart. Also owns the check that the answered offsets
 * increase.
 */

/** Sequence numbers have 31 bits and wrap around to 0. */
const numbers = 2 ** 31;

export class Sequences {
  readonly #next = new Map<string, number>();
  readonly #lastOffset = new Map<string, bigint>();
  #first: number;

  /** @param first sequence number of the first record in each partition */
  constructor(first = 0) {
    this.#first = first;
  }

  /** Takes the sequence numbers of `count` records. @returns the first of them */
  take(partition: string, count: number): number {
    const base = this.#next.get(partition) ?? this.#first;
    this.#next.set(partition, (base + count) % numbers);
    return base;
  }

  /** The producer has another epoch, and numbers each partition from 0. */
  restart(): void {
    this.#next.clear();
    this.#first = 0;
  }

  /** Behind the last answered record. */
  endOf(partition: string): bigint {
    return (this.#lastOffset.get(partition) ?? -1n) + 1n;
  }

  /** Whether the answered offset is beyond all earlier ones. If not, the broker took the batch for a duplicate. */
  rises(partition: string, baseOffset: bigint, count: number): boolean {
    if (baseOffset <= (this.#lastOffset.get(partition) ?? -1n)) return false;
    this.#lastOffset.set(partition, baseOffset + BigInt(count) - 1n);
    return true;
  }
}
