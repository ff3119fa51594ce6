/**
 * What a visitor sees of payloads and headers: all, their shape, or nothing. Pure. Promise: where they are masked, no value
 * leaves the server, only structure, names, types and lengths.
 */
import type { Preview } from '../../relay/operations/dead-letters/fix-many.ts';
import type { LetterFailure } from '../../relay/operations/dead-letters/read.ts';
import type { Present } from '../../relay/operations/dead-letters/value-there.ts';
import { ExactNumber, type JsonValue, parseLosslessJson } from '../../relay/operations/json-text.ts';
import type { PayloadView } from './access/visitor.ts';

/** @param text JSON, or what was stored in its place */
export function shown(view: PayloadView, text: string | null): string | null {
  if (text === null || view === 'off') return null;
  return view === 'full' ? text : masked(text);
}

/** The same for one value of a payload, on one line. */
export const presentOf =
  (view: PayloadView): Present =>
  (value) => {
    if (view === 'full') return value;
    return view === 'off' ? null : JSON.stringify(JSON.parse(masked(value)));
  };

/** The same of what a patch writes over. Where values are masked, it is not even said whether they differ. */
export const comparedBy = (view: PayloadView): Present | null => (view === 'full' ? presentOf(view) : null);

/** The JSON with the type of each value in its place, indented. Never fails. */
export function masked(text: string): string {
  try {
    return JSON.stringify(maskOf(parseLosslessJson(text)), undefined, 2);
  } catch {
    // Not JSON; or nested more deeply than a stack.
    return JSON.stringify(`${text.length} characters that are not shown`);
  }
}

type Masked = string | null | Masked[] | { [name: string]: Masked };

function maskOf(value: JsonValue): Masked {
  if (value === null) return null;
  if (Array.isArray(value)) return value.map(maskOf);
  if (value instanceof ExactNumber) return 'number';
  switch (typeof value) {
    case 'string':
      return `string(${value.length})`;
    case 'object':
      return membersOf(value);
    case 'boolean':
      return 'boolean';
    default:
      return typeof value === 'bigint' || Number.isInteger(value) ? 'integer' : 'number';
  }
}

/** A field of a schema has such a name. Any other is the key of a map, which is as much of a value as what it leads to. */
const fieldName = /^[A-Za-z_][A-Za-z0-9_]{0,99}$/;

function membersOf(value: { [name: string]: JsonValue }): Masked {
  const members = Object.entries(value).map(([name, each], index): [string, Masked] => [
    fieldName.test(name) ? name : `key ${index + 1} (${name.length})`,
    maskOf(each),
  ]);
  return Object.fromEntries(members);
}

/** The message of an unexpected error may quote the payload; where it happened does not. */
export function failureShown(view: PayloadView, failure: LetterFailure | null): LetterFailure | null {
  if (failure === null || view === 'full') return failure;
  const places = failure.stack.split('\n').filter((line) => /^\s+at /.test(line));
  return { ...failure, stack: places.join('\n') };
}

export function previewShown(view: PayloadView, { shown: letters, ...preview }: Preview): Preview {
  return {
    ...preview,
    shown: letters.map((letter) => ({
      ...letter,
      before: shown(view, letter.before),
      after: shown(view, letter.after),
    })),
  };
}
