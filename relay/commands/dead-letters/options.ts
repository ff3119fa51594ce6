/** The options by which the dead-letter commands say which ones they are about, and who asks. */
import { type Command, InvalidArgumentError } from 'commander';
import { errorTable } from '../../errors.ts';
import { type LetterStatus, letterStatuses, parseLetterName } from '../../operations/dead-letters/letter.ts';
import type { Selection } from '../../operations/dead-letters/selection.ts';

export type FilterOptions = {
  code?: string[];
  type?: string[];
  aggregatetype?: string[];
  key?: string[];
  since?: Date;
  until?: Date;
};

export function withFilters(command: Command): Command {
  return command
    .option('--code <code>', 'with this error code; may be repeated, like the next three', code)
    .option('--type <type>', 'of this event type', collect)
    .option('--aggregatetype <name>', 'of this aggregatetype', collect)
    .option('--key <aggregateid>', 'with this key', collect)
    .option('--since <time>', 'first seen since then: ISO 8601, or an age such as 15m, 2h, 7d', time)
    .option('--until <time>', 'first seen before then', time);
}

export function selectionOf(options: FilterOptions, names: readonly string[] = []): Selection {
  return {
    ...(names.length === 0 ? {} : { names: names.map(parseLetterName) }),
    ...(options.code === undefined ? {} : { codes: options.code }),
    ...(options.type === undefined ? {} : { types: options.type }),
    ...(options.aggregatetype === undefined ? {} : { aggregatetypes: options.aggregatetype }),
    ...(options.key === undefined ? {} : { keys: options.key }),
    ...(options.since === undefined ? {} : { since: options.since }),
    ...(options.until === undefined ? {} : { until: options.until }),
  };
}

export function isEmpty(selection: Selection): boolean {
  return Object.keys(selection).length === 0;
}

/** `--status` with a comma-separated list out of those that make sense, or `all` of them. */
export function statusesOf(allowed: readonly LetterStatus[] = letterStatuses) {
  return (value: string): LetterStatus[] => {
    if (value === 'all') return [...allowed];
    return value.split(',').map((word) => {
      const status = allowed.find((each) => each === word);
      if (status === undefined) throw new InvalidArgumentError(`expected ${allowed.join(', ')}, or all.`);
      return status;
    });
  };
}

export function whole(value: string): number {
  if (!/^[1-9]\d{0,6}$/.test(value)) throw new InvalidArgumentError('expected a whole number from 1.');
  return Number(value);
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** `90d` and its like, in seconds. */
export function age(value: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(value);
  if (match === null) throw new InvalidArgumentError('expected an age such as 15m, 2h or 90d.');
  return Number(match[1]) * unitSeconds[match[2]!]!;
}

function time(value: string): Date {
  if (/^\d+[smhd]$/.test(value)) return new Date(Date.now() - age(value) * 1_000);
  const parsed = new Date(value);
  if (!/^\d{4}-\d\d-\d\d/.test(value) || Number.isNaN(parsed.getTime()))
    throw new InvalidArgumentError('expected a time such as 2026-01-31T12:00:00Z, or an age such as 2h.');
  return parsed;
}

/** Of those an event can be set aside with: a slip of the pen would otherwise look like a clean table. */
const letterCodes = Object.entries(errorTable).flatMap(([name, entry]) =>
  entry.class === 'quarantine' ? [name] : [],
);

function code(value: string, before?: readonly string[]): string[] {
  if (!letterCodes.includes(value))
    throw new InvalidArgumentError(`expected one of ${letterCodes.join(', ')}.`);
  return collect(value, before);
}

export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
