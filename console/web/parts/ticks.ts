/** Where the lines of an axis are. Pure. */

/** Steps of 1, 2 and 5, of sizes those of 1,024, and of times from 10 s on those of a clock. */
const decimal = Array.from({ length: 16 }, (_, index) => index - 4).flatMap((power) =>
  [1, 2, 5].map((digit) => digit * 10 ** power),
);
const binary = Array.from({ length: 50 }, (_, power) => 2 ** power);

const clock = [10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 604_800].map(
  (seconds) => seconds * 1_000,
);
const times = [...decimal.filter((step) => step < clock[0]!), ...clock];

const increments = { bytes: binary, number: decimal, milliseconds: times } as const;
export type Unit = keyof typeof increments;

export const incrementsOf = (unit: Unit): number[] => increments[unit];

/** The nearest point to a time that has one; undefined where there is none. @param seconds ascending */
export function nearest(seconds: readonly number[], at: number): number | undefined {
  if (seconds.length === 0) return undefined;
  let low = 0;
  let high = seconds.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seconds[middle]! < at) low = middle + 1;
    else high = middle;
  }
  return low > 0 && at - seconds[low - 1]! <= seconds[low]! - at ? low - 1 : low;
}
