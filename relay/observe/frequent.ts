/**
 * The most frequent values of a stream in bounded memory, by the algorithm of Misra and Gries in the form for merging
 * summaries. Promise: of at most twice `size` counters, a count is never above the true one, and below it by at most
 * total / (size + 1). So each value with a larger share than 1 / (size + 1) is found.
 *
 * Making room takes the same from all counters and drops those that have no more. It is done once for `size` new values:
 * once for each would cost some microseconds where nearly every value is another one.
 *
 * @see https://doi.org/10.1016/0167-6423(82)90012-0
 * @see https://doi.org/10.1145/2500128
 */
export class FrequentValues {
  readonly #size: number;
  readonly #counts = new Map<string, number>();
  #total = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Of all that was added. */
  get total(): number {
    return this.#total;
  }

  add(value: string, times: number): void {
    this.#total += times;
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + times);
    if (this.#counts.size >= 2 * this.#size) this.#makeRoom();
  }

  /** At least `size` + 1 counters have the `size` + 1st highest count, and lose it: that many different values. */
  #makeRoom(): void {
    const lost = Float64Array.from(this.#counts.values())
      .sort()
      .at(-this.#size - 1)!;
    for (const [value, count] of this.#counts) {
      if (count > lost) this.#counts.set(value, count - lost);
      else this.#counts.delete(value);
    }
  }

  /** The values with the highest counts, highest first. */
  top(most: number): { readonly value: string; readonly count: number }[] {
    return [...this.#counts]
      .map(([value, count]) => ({ value, count }))
      .sort((one, other) => other.count - one.count)
      .slice(0, most);
  }
}
