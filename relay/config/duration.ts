/** Owns how a length of time is written: a number and a unit, as in `90s`, `15m`, `36h` or `3d`. */

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export const durationPattern = /^(\d{1,6})([smhd])$/;

/** undefined if it is not one. */
export function durationMs(text: string): number | undefined {
  const match = durationPattern.exec(text);
  return match === null ? undefined : Number(match[1]) * unitMs[match[2]!]!;
}
