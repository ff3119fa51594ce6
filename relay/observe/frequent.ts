/**
 * The most frequent values of a stream in bounded memory, by the algorithm of Misra and Gries. Promise: with `size`
 * counters, a count is never above the true one, and below it by at most total / (size + 1). So each value with a larger
 * share than 1 / (size + 1) is found.
 *
 * @see https://doi.org/10.1016/0167-6423(82)90012-0
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
    const count = this.#counts.get(value);
    if (count !== undefined || this.#counts.size < this.#size) this.#counts.set(value, (count ?? 0) + times);
    else this.#displace(value, times);
  }

  /** Takes as much from all counters as one of them or the new value has: they are that many different values. */
  #displace(value: string, times: number): void {
    let least = times;
    for (const count of this.#counts.values()) least = Math.min(least, count);
    for (const [other, count] of this.#counts) {
      if (count > least) this.#counts.set(other, count - least);
      else this.#counts.delete(other);
    }
    if (times > least) this.#counts.set(value, times - least);
  }

  /** The values with the highest counts, highest first. */
  top(most: number): { readonly value: string; readonly count: number }[] {
    return [...this.#counts]
      .map(([value, count]) => ({ value, count }))
      .sort((one, other) => other.count - one.count)
      .slice(0, most);
  }
}
