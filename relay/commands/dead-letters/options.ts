/** Options that the dead-letter commands share: which dead letters. */
import { type Command, InvalidArgumentError } from 'commander';
import { errorTable } from '../../errors.ts';
import { type LetterStatus, letterStatuses, parseLetterName } from '../../operations/dead-letters/letter.ts';
import type { Selection } from '../../operations/dead-letters/selection.ts';
import { collect, timeOrAge } from '../arguments.ts';

export type FilterOptions = {
  code?: string[];
  type?: string[];
  aggregatetype?: string[];
  key?: string[];
  topic?: string[];
  path?: string[];
  since?: Date;
  until?: Date;
};

export function withFilters(command: Command): Command {
  return command
    .option('--code <code>', 'with this error code; may be repeated, like the next five', code)
    .option('--type <type>', 'of this event type', collect)
    .option('--aggregatetype <name>', 'of this aggregatetype', collect)
    .option('--key <aggregateid>', 'with this key', collect)
    .option('--topic <topic>', 'that would go to this topic', collect)
    .option('--path <path>', 'with the fault at this place of the payload, such as $.lines[*].price', collect)
    .option(
      '--since <time>',
      'first seen at or after this time: ISO 8601, or an age such as 15m, 2h, 7d',
      timeOrAge,
    )
    .option('--until <time>', 'first seen before this time', timeOrAge);
}

export function selectionOf(options: FilterOptions, names: readonly string[] = []): Selection {
  return {
    ...(names.length === 0 ? {} : { names: names.map(parseLetterName) }),
    ...(options.code === undefined ? {} : { codes: options.code }),
    ...(options.type === undefined ? {} : { types: options.type }),
    ...(options.aggregatetype === undefined ? {} : { aggregatetypes: options.aggregatetype }),
    ...(options.key === undefined ? {} : { keys: options.key }),
    ...(options.topic === undefined ? {} : { topics: options.topic }),
    ...(options.path === undefined ? {} : { paths: options.path }),
    ...(options.since === undefined ? {} : { since: options.since }),
    ...(options.until === undefined ? {} : { until: options.until }),
  };
}

/** A name of a file in its place: the other option of its kind takes one. */
export function patchFault(patch: string | undefined): string | undefined {
  return patch === undefined || /^\s*[[{]/.test(patch)
    ? undefined
    : 'the patch is not JSON: --patch takes the JSON itself, a list of operations, and no name of a file';
}

export function isEmpty(selection: Selection): boolean {
  return Object.keys(selection).length === 0;
}

/** `--status` with a comma-separated list of those that make sense, or `all` of them. */
export function statusesOf(allowed: readonly LetterStatus[] = letterStatuses) {
  return (value: string): LetterStatus[] => {
    if (value === 'all') return [...allowed];
    return value.split(',').map((word) => {
      const status = allowed.find((each) => each === word);
      if (status === undefined) throw new InvalidArgumentError(`Expected ${allowed.join(', ')}, or all.`);
      return status;
    });
  };
}

/** Codes that a dead letter can have: with a mistyped one the list would be empty and look like good news. */
const letterCodes = Object.entries(errorTable).flatMap(([name, entry]) =>
  entry.class === 'quarantine' ? [name] : [],
);

function code(value: string, before?: readonly string[]): string[] {
  if (!letterCodes.includes(value))
    throw new InvalidArgumentError(`Expected one of ${letterCodes.join(', ')}.`);
  return collect(value, before);
}
