/**
 * The smallest value that is at least as large as the given share of all (nearest rank).
 * @param sorted ascending
 * @param share as 0.95
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

/** The same of values in any order. */
export function quantile(values: readonly number[], share: number): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    share,
  );
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/**
 * Where the median of what the values are a sample of lies, with at least 95 % confidence: the distribution-free interval
 * between two of the sorted values. Fewer than six values say nothing: the interval is then without bounds.
 */
export function medianInterval(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  // Of n values, the number below the true median is binomial with a half.
  let below = 0;
  let rank = 0;
  for (let chance = 0.5 ** n; below + chance <= 0.025; rank++) {
    below += chance;
    chance *= (n - rank) / (rank + 1);
  }
  return rank === 0
    ? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
    : [sorted[rank - 1]!, sorted[n - rank]!];
}
