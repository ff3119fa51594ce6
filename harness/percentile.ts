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
