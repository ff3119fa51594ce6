/**
 * Which value a payload holds at the place where the event was refused. Pure. Promise: it is the value of that very place,
 * with its digits as they are written; where that is not certain, there is none.
 */
import { createHash } from 'node:crypto';
import { ExactNumber, type JsonValue, jsonText, parseJsonAsWritten } from '../json-text.ts';
import { isTooDeep } from './json-patch.ts';
import { tokensOfPath } from './letter-path.ts';
import type { Glanced } from './read-contents.ts';

/** `text` is JSON: `"1"` is a text, and `1` a number. */
export type ShownValue = { readonly text: string; readonly isCut: boolean };

/**
 * `nothing`: no such field, or no payload. `no-path`: the refusal names no place, or the key of a map, which nobody knows.
 * `left-out`: the row was too large. `not-read`: more than is read at once. `hidden`: from who looks.
 */
type NoValue = {
  readonly state: 'nothing' | 'no-path' | 'not-json' | 'left-out' | 'not-read' | 'hidden';
};

/** All of it. */
export type ValueThere = { readonly state: 'value'; readonly text: string } | NoValue;
/** For a list. */
export type ShownThere = ({ readonly state: 'value' } & ShownValue) | NoValue;

/** How a value is shown to who looks: as it is, masked, or not at all. Gets and returns JSON text. */
export type Present = (text: string) => string | null;

export type Payload = {
  readonly path: string | null;
  readonly payload: string | null;
  /** Whether there is a payload that was not read. */
  readonly isUnread: boolean;
  readonly isLeftOut: boolean;
};

export const payloadOf = ({ letter: { path, leftOut }, payload, isUnread }: Glanced): Payload => ({
  path,
  payload,
  isUnread,
  isLeftOut: leftOut?.payload !== undefined,
});

/** Of what is shown of a value, in characters: enough to tell values apart. */
const shownMax = 200;

export function valueThere(of: Payload, present: Present): ValueThere {
  if (of.isLeftOut) return { state: 'left-out' };
  const tokens = tokensOfPath(of.path);
  if (tokens === undefined || tokens.includes('*')) return { state: 'no-path' };
  if (of.isUnread) return { state: 'not-read' };
  if (of.payload === null) return { state: 'nothing' };
  let document: JsonValue;
  try {
    document = parseJsonAsWritten(of.payload);
  } catch {
    return { state: 'not-json' };
  }
  let at: JsonValue | undefined = document;
  for (const token of tokens) at = memberOf(at, token);
  if (at === undefined) return { state: 'nothing' };
  if (isTooDeep(at)) return { state: 'not-read' };
  const text = present(jsonText(at));
  return text === null ? { state: 'hidden' } : { state: 'value', text };
}

function memberOf(value: JsonValue | undefined, token: string | number): JsonValue | undefined {
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return undefined;
  if (typeof token === 'number') return Array.isArray(value) ? value[token] : undefined;
  return !Array.isArray(value) && Object.hasOwn(value, token) ? (value as never)[token] : undefined;
}

export const shownThere = (there: ValueThere): ShownThere =>
  there.state === 'value' ? { state: 'value', ...cut(there.text) } : there;

function cut(text: string): ShownValue {
  if (text.length <= shownMax) return { text, isCut: false };
  // Not within a pair of surrogates.
  return { text: text.slice(0, shownMax).replace(/[\ud800-\udbff]$/, ''), isCut: true };
}

export type CountedValue = ShownValue & { readonly count: number };

export type Tallied = {
  /** Values that differ, as they are shown. */
  readonly different: number;
  /** Whether there were more than that, which were not told apart. */
  readonly isMore: boolean;
  /** The most frequent, with the most frequent first. */
  readonly top: readonly CountedValue[];
};

const topMax = 5;
/** Told apart: as many as are read for a screen, and in little memory however many there are. */
const differentMax = 10_000;

/** Counts values that differ, in bounded memory. */
export class ValueTally {
  /** By the whole text; a digest stands for a long one. */
  readonly #values = new Map<string, { readonly shown: ShownValue; count: number }>();
  #isMore = false;

  /** @param text JSON */
  add(text: string): void {
    const shown = cut(text);
    const key = shown.isCut ? `${shown.text}…${createHash('sha256').update(text).digest('hex')}` : text;
    const known = this.#values.get(key);
    if (known !== undefined) known.count++;
    else if (this.#values.size < differentMax) this.#values.set(key, { shown, count: 1 });
    else this.#isMore = true;
  }

  get result(): Tallied {
    const all = [...this.#values.values()].sort((left, right) => right.count - left.count);
    const top = all.slice(0, topMax).map(({ shown, count }) => ({ ...shown, count }));
    return { different: all.length, isMore: this.#isMore, top };
  }
}
