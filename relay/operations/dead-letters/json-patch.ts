/**
 * JSON patches (RFC 6902). Pure: the given document is not changed. Numbers keep their digits.
 *
 * Beyond the RFC:
 * - `*` in place of the index of an array stands for the element at which the event is refused, so that one patch repairs
 *   `lines[0]` of one event and `lines[7]` of another, and leaves the elements that are right.
 * - `convert` gives the value that is there another type, such as the number 2 for the text "2". Promise: it changes no
 *   digit, and what does not say exactly one value of that type is not converted.
 * @see https://www.rfc-editor.org/rfc/rfc6902
 */

import { z } from 'zod';
import { isSameNumber } from '../../encode/formats/exact-number.ts';
import { ExactNumber, type JsonValue, parseJsonAsWritten } from '../../encode/formats/json.ts';
import { RequestInvalid } from '../../errors.ts';
import { jsonText } from '../json-text.ts';
import { tokensOfPath } from './letter-path.ts';

/** A patch that cannot be read or applied; never with a value of the document. */
export class PatchInvalid extends RequestInvalid {}

const pointer = z.string().regex(/^(\/([^~/]|~[01])*)*$/, 'is not a JSON pointer');
const operation = z.discriminatedUnion('op', [
  z.object({ op: z.enum(['add', 'replace', 'test']), path: pointer, value: z.unknown() }),
  z.object({ op: z.enum(['move', 'copy']), path: pointer, from: pointer }),
  z.object({ op: z.literal('remove'), path: pointer }),
  z.object({ op: z.literal('convert'), path: pointer, to: z.enum(['number', 'text', 'boolean']) }),
]);
type Operation = z.output<typeof operation>;

/** Patching and writing recurse. A stack of V8 holds some 5,000 levels of it, and no schema has a hundred. */
const levelsMax = 1_000;

/** Without recursion. Pure. */
export function isTooDeep(root: JsonValue): boolean {
  let level = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > levelsMax) return true;
    level = level.flatMap((value) => (isContainer(value) ? Object.values(value) : []));
  }
  return false;
}

/** Of what a patch copies, in characters: copies of the whole into itself double it each time. Twice a usual record. */
const copiedMax = 2 * 1024 * 1024;

/** Hears what an operation that sets a constant writes over; undefined where nothing is there. */
export type OnSet = (operation: number, before: JsonValue | undefined) => void;

/**
 * @param places paths at which the event is refused, as the relay writes them: an operation with `*` is done for each
 * @throws PatchInvalid
 */
export function applyPatch(
  document: JsonValue,
  patchText: string,
  places: readonly string[] = [],
  onSet?: OnSet,
): JsonValue {
  // A holder makes the whole document a member like any other: the empty pointer names it.
  const holder: JsonValue = { document: clone(document) };
  const budget = { characters: copiedMax };
  for (const [index, each] of parsePatch(patchText).entries())
    try {
      for (const placed of placesOf(each, holder, places)) {
        if (onSet !== undefined && isSetting(placed, holder)) onSet(index, valueAt(holder, placed.path));
        applyOne(holder, placed, budget);
      }
    } catch (error) {
      if (!(error instanceof PatchInvalid)) throw error;
      throw new PatchInvalid(`operation ${index} (${each.op} ${each.path}): ${error.message}`);
    }
  const { document: after } = holder;
  if (after === undefined) throw new PatchInvalid('the patch removes all of the payload');
  if (isTooDeep(after)) throw new PatchInvalid('the patch nests the payload too deeply');
  return after;
}

/** Whether it sets a constant in place of what is there: into a list, `add` puts it beside. */
function isSetting({ op, path }: Operation, holder: JsonValue): boolean {
  if (op !== 'add') return op === 'replace';
  return !Array.isArray(valueAt(holder, path.slice(0, Math.max(0, path.lastIndexOf('/'))))) || path === '';
}

function valueAt(holder: JsonValue, pointer: string): JsonValue | undefined {
  try {
    return tokensOf(pointer).reduce(member, holder);
  } catch (error) {
    if (error instanceof PatchInvalid) return undefined;
    throw error;
  }
}

/** Whether it says `*`, for the element at which an event is refused. @throws PatchInvalid */
export function isPlaced(text: string): boolean {
  return parsePatch(text).some((each) => pointersOf(each).some((pointer) => /\/\*(\/|$)/.test(pointer)));
}

const pointersOf = (each: Operation): string[] => ('from' in each ? [each.path, each.from] : [each.path]);

/** The operation for each of the places; the operation itself where it has no `*` that stands for one. */
function placesOf(each: Operation, holder: JsonValue, places: readonly string[]): Operation[] {
  if (!pointersOf(each).some((pointer) => starOf(pointer, holder) !== undefined)) return [each];
  const placed = places.flatMap((place) => {
    const tokens = tokensOfPath(place)?.map(String) ?? [];
    const [path, from] = pointersOf(each).map((pointer) => atPlace(pointer, holder, tokens));
    if (path === undefined || ('from' in each && from === undefined)) return [];
    return [{ ...each, path, ...(from === undefined ? {} : { from }) } as Operation];
  });
  if (placed.length === 0) throw new PatchInvalid('it is not refused at an element that * stands for');
  return placed;
}

/** Which token of the pointer is a `*` in place of an index. A member of that name is a member. */
function starOf(pointer: string, holder: JsonValue): number | undefined {
  let at: JsonValue | undefined = holder;
  for (const [index, token] of tokensOf(pointer).entries()) {
    if (token === '*' && Array.isArray(at)) return index;
    at = at !== undefined && isContainer(at) && Object.hasOwn(at, token) ? (at as never)[token] : undefined;
  }
  return undefined;
}

/** @returns undefined where the pointer does not lead to the place */
function atPlace(pointer: string, holder: JsonValue, place: readonly string[]): string | undefined {
  const star = starOf(pointer, holder);
  if (star === undefined) return pointer;
  const parts = pointer.split('/');
  // Both begin with what is not of the path: the empty text, and the document.
  const isThere = tokensOf(pointer).every(
    (token, index) => index === 0 || index >= star || token === place[index - 1],
  );
  const element = place[star - 1];
  if (!isThere || element === undefined || !/^\d+$/.test(element)) return undefined;
  parts[star] = element;
  return atPlace(parts.join('/'), holder, place);
}

/** @throws PatchInvalid */
export function parsePatch(text: string): Operation[] {
  let read: JsonValue;
  try {
    read = parseJsonAsWritten(text);
  } catch {
    throw new PatchInvalid('the patch is not JSON');
  }
  if (isTooDeep(read)) throw new PatchInvalid('the patch is nested too deeply');
  const parsed = z.array(operation).safeParse(read);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new PatchInvalid(
    `the patch is not a list of operations (RFC 6902, or convert): at ${path.join('.')}: ${message}`,
  );
}

function applyOne(holder: JsonValue, operation: Operation, budget: { characters: number }): void {
  const to = tokensOf(operation.path);
  switch (operation.op) {
    case 'add':
      add(holder, to, givenValue(operation));
      break;
    case 'remove':
      remove(holder, to);
      break;
    case 'replace':
      replace(holder, to, givenValue(operation));
      break;
    case 'move': {
      const from = tokensOf(operation.from);
      if (operation.path.startsWith(`${operation.from}/`))
        throw new PatchInvalid('a value cannot move into itself');
      const moved = from.reduce(member, holder);
      remove(holder, from);
      add(holder, to, moved);
      break;
    }
    case 'copy':
      add(holder, to, copied(tokensOf(operation.from).reduce(member, holder), budget));
      break;
    case 'test':
      if (!isSame(to.reduce(member, holder), givenValue(operation)))
        throw new PatchInvalid('another value is there');
      break;
    case 'convert':
      replace(holder, to, converted(to.reduce(member, holder), operation.to));
  }
}

/** All of the text, since JSON.parse would also take white space around it. */
const numberText = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** A value that has the type already stays as it is, so that a patch can be applied twice. */
function converted(value: JsonValue, to: Extract<Operation, { op: 'convert' }>['to']): JsonValue {
  if (to === 'text') {
    if (typeof value === 'string') return value;
    if (isNumber(value) || typeof value === 'boolean') return jsonText(value);
    throw new PatchInvalid(`${kindOf(value)} is there, which is not converted to a text`);
  }
  if (to === 'number' ? isNumber(value) : typeof value === 'boolean') return value;
  if (typeof value !== 'string')
    throw new PatchInvalid(`${kindOf(value)} is there, which is not converted to a ${to}`);
  if (!(to === 'number' ? numberText : /^(true|false)$/).test(value))
    throw new PatchInvalid(`the text there is not a ${to} of JSON`);
  // As if it had been written without the quotes, with all its digits.
  return parseJsonAsWritten(value);
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null';
  if (isNumber(value)) return 'a number';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function givenValue({ value }: { value?: unknown }): JsonValue {
  if (value === undefined) throw new PatchInvalid('it has no value');
  return value as JsonValue;
}

function tokensOf(path: string): string[] {
  const tokens = path
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  return ['document', ...tokens];
}

/** Members in any order; numbers by their value, however they are written. */
function isSame(left: JsonValue, right: JsonValue): boolean {
  if (isNumber(left) && isNumber(right)) return isSameNumber(sourceOf(left), sourceOf(right));
  if (!isContainer(left) || !isContainer(right)) return left === right;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const names = Object.keys(left);
  const [of, to] = [left, right] as { [key: string]: JsonValue }[];
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && isSame(of![name]!, to![name]!))
  );
}

const isNumber = (value: JsonValue): value is number | bigint | ExactNumber =>
  typeof value === 'number' || typeof value === 'bigint' || value instanceof ExactNumber;
const sourceOf = (value: number | bigint | ExactNumber) =>
  value instanceof ExactNumber ? value.source : String(value);

type Container = JsonValue[] | { [key: string]: JsonValue };

function containerOf(holder: JsonValue, tokens: readonly string[]): { container: Container; last: string } {
  const container = tokens.slice(0, -1).reduce(member, holder);
  if (!isContainer(container)) throw new PatchInvalid('no object or array is there to hold it');
  return { container, last: tokens.at(-1)! };
}

function isContainer(value: JsonValue): value is Container {
  return typeof value === 'object' && value !== null && !(value instanceof ExactNumber);
}

function member(value: JsonValue, token: string): JsonValue {
  const found = Array.isArray(value)
    ? value[indexOf(value, token)]
    : isContainer(value) && Object.hasOwn(value, token)
      ? value[token]
      : undefined;
  if (found === undefined) throw new PatchInvalid('nothing is there');
  return found;
}

/** `-` is the place after the last element, which only `add` may name. */
function indexOf(array: readonly JsonValue[], token: string): number {
  if (token === '-') return array.length;
  if (!/^(0|[1-9]\d{0,8})$/.test(token)) throw new PatchInvalid('an array needs an index');
  return Number(token);
}

function add(holder: JsonValue, tokens: readonly string[], value: JsonValue): void {
  const { container, last } = containerOf(holder, tokens);
  if (!Array.isArray(container)) {
    set(container, last, value);
    return;
  }
  const index = indexOf(container, last);
  if (index > container.length) throw new PatchInvalid('the index is beyond the end of the array');
  container.splice(index, 0, value);
}

/** In place: members keep their order. */
function replace(holder: JsonValue, tokens: readonly string[], value: JsonValue): void {
  const { container, last } = containerOf(holder, tokens);
  member(container, last);
  if (Array.isArray(container)) container[indexOf(container, last)] = value;
  else set(container, last, value);
}

/** `__proto__` is a name like any other. */
function set(container: { [key: string]: JsonValue }, name: string, value: JsonValue): void {
  Object.defineProperty(container, name, { value, enumerable: true, configurable: true, writable: true });
}

function remove(holder: JsonValue, tokens: readonly string[]): void {
  const { container, last } = containerOf(holder, tokens);
  member(container, last);
  if (Array.isArray(container)) container.splice(indexOf(container, last), 1);
  else delete container[last];
}

function copied(value: JsonValue, budget: { characters: number }): JsonValue {
  if (isTooDeep(value)) throw new PatchInvalid('it copies what is nested too deeply');
  const text = jsonText(value);
  budget.characters -= text.length;
  if (budget.characters < 0) throw new PatchInvalid('it copies too much');
  return parseJsonAsWritten(text);
}

function clone(value: JsonValue): JsonValue {
  return parseJsonAsWritten(jsonText(value));
}

/** Whether it asks what a payload holds. @throws PatchInvalid */
export function isTestingPatch(text: string): boolean {
  return parsePatch(text).some(({ op }) => op === 'test');
}
