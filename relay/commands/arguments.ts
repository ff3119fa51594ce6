/** Parsers of argument values. What is wrong with a value is said as commander shows it: a sentence after the option. */
import { InvalidArgumentError } from 'commander';
import { durationMs } from '../config/duration.ts';

export function wholeNumber(min: number, max: number): (value: string) => number {
  return (value) => {
    const parsed = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (!(parsed >= min && parsed <= max))
      throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
    return parsed;
  };
}

/** Fractions included. */
export function seconds(min: number, max: number): (value: string) => number {
  return (value) => {
    const parsed = Number(value);
    if (!(parsed >= min && parsed <= max))
      throw new InvalidArgumentError(`Expected ${min} to ${max} seconds.`);
    return parsed;
  };
}

/** `90d` and the like, in seconds. */
export function age(value: string): number {
  const ms = durationMs(value);
  if (ms === undefined) throw new InvalidArgumentError('Expected an age such as 15m, 2h or 90d.');
  return ms / 1_000;
}

export function timeOrAge(value: string): Date {
  const isAge = /^\d+[smhd]$/.test(value);
  const parsed = isAge ? new Date(Date.now() - age(value) * 1_000) : new Date(value);
  if (!(isAge || /^\d{4}-\d\d-\d\d/.test(value)) || !isCommonYear(parsed))
    throw new InvalidArgumentError('Expected a time such as 2026-01-31T12:00:00Z, or an age such as 2h.');
  return parsed;
}

/** Postgres has no year 0, and does not read a year of six digits as JavaScript writes it. False for an invalid time. */
function isCommonYear(time: Date): boolean {
  const year = time.getUTCFullYear();
  return year >= 1 && year <= 9_999;
}

/** Without an offset it would be the time zone of this machine. */
export function timeWithOffset(value: string): string {
  if (!/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:?\d{2})$/i.test(value) || !isCommonYear(new Date(value)))
    throw new InvalidArgumentError('Expected a time with an offset, such as 2026-01-31T08:00:00Z.');
  return new Date(value).toISOString();
}

/** For an option that may be repeated, each value of which counts once. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...new Set([...before, value])];
}
